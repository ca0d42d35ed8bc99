/** The documents that were parsed and validated lately, by their text. */
import { GraphQLError, type DocumentNode } from "graphql";

/** What may be executed, or why not. */
export type Compiled =
  | {
      readonly document: DocumentNode;
      /** Whether a query's answer may come bit by bit. */
      readonly inParts: boolean;
    }
  | { readonly problems: readonly GraphQLError[] };

/** Characters. A parsed document takes up to 240 times the memory of its text, and any client can send one. */
const longestText = 4_096;
/** Of all texts together; a shorter one counts as `leastText`. */
const allTexts = 128 * 1_024;
const leastText = 1_024;

/** Remembers what belongs to short texts: those that were used last, as long as all of them are no more than may be. */
export function boundedCache<Value extends object>() {
  const values = new Map<string, Value>();
  let characters = 0;
  return {
    get: (text: string): Value | undefined => {
      const value = values.get(text);
      if (value === undefined) return undefined;
      values.delete(text);
      values.set(text, value);
      return value;
    },
    set: (text: string, value: Value): void => {
      if (text.length > longestText) return;
      if (!values.has(text)) characters += weightOf(text);
      values.set(text, value);
      for (const oldest of values.keys()) {
        if (characters <= allTexts) return;
        values.delete(oldest);
        characters -= weightOf(oldest);
      }
    },
  };
}

function weightOf(text: string): number {
  return Math.max(text.length, leastText);
}

export const noCache = { get: () => undefined, set: () => {} };

/** Parses and validates: throws what is wrong with the text, and lists what is wrong with its content. */
type Check = (query: string) => readonly [DocumentNode, readonly GraphQLError[]];

export function cacheDocuments(check: Check): (query: string) => Compiled {
  const known = boundedCache<Compiled>();
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
