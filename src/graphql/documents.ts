/** The documents that were parsed and validated lately, by their text. */
import { GraphQLError, type DocumentNode } from "graphql";
import { _createLRUCache } from "graphql-yoga";

/** What may be executed, or why not. */
export type Compiled =
  | {
      readonly document: DocumentNode;
      /** Whether a query's answer may come bit by bit. */
      readonly inParts: boolean;
    }
  | { readonly problems: readonly GraphQLError[] };

/** A parsed document takes more than a hundred times the memory of its text, and anybody can send one. */
export function smallCache<Value extends object>() {
  const cache = _createLRUCache<Value>({ max: 128 });
  return {
    get: (text: string) => cache.get(text),
    set: (text: string, value: Value) => {
      if (text.length <= 4096) cache.set(text, value);
    },
  };
}

export const noCache = { get: () => undefined, set: () => {} };

/** Parses and validates: throws what is wrong with the text, and lists what is wrong with its content. */
type Check = (query: string) => readonly [DocumentNode, readonly GraphQLError[]];

export function rememberDocuments(check: Check): (query: string) => Compiled {
  const known = smallCache<Compiled>();
  return (query) => {
    const remembered = known.get(query);
    if (remembered !== undefined) return remembered;
    const compiled = compile(query, check);
    known.set(query, compiled);
    return compiled;
  };
}

function compile(query: string, check: Check): Compiled {
  try {
    const [document, problems] = check(query);
    if (problems.length > 0) return { problems };
    return { document, inParts: /@\s*(?:defer|stream)\b/.test(query) };
  } catch (error) {
    if (error instanceof GraphQLError) return { problems: [error] };
    throw error;
  }
}
