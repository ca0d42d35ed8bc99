/** Caches parsed and validated documents by their text. */
import { GraphQLError, type DocumentNode } from "graphql";

/** A valid document, or its errors. */
export type Compiled =
  | {
      readonly document: DocumentNode;
      /** Whether the response may be incremental: `@defer` or `@stream`. */
      readonly inParts: boolean;
    }
  | { readonly problems: readonly GraphQLError[] };

/**
 * Longer texts are not cached (characters). A parsed document takes up to 240 times the memory of its text, and any
 * client can send one.
 */
const maxTextLength = 4_096;
/** Characters of all cached texts. A text shorter than `minTextWeight` counts as that long. */
const maxTotalWeight = 128 * 1_024;
const minTextWeight = 1_024;

/** Creates an LRU cache by text, bounded by the length of the texts. */
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
      if (text.length > maxTextLength) return;
      if (!values.has(text)) characters += weightOf(text);
      values.set(text, value);
      for (const oldest of values.keys()) {
        if (characters <= maxTotalWeight) return;
        values.delete(oldest);
        characters -= weightOf(oldest);
      }
    },
  };
}

function weightOf(text: string): number {
  return Math.max(text.length, minTextWeight);
}

export const noCache = { get: () => undefined, set: () => {} };

/** Parses and validates. Throws syntax errors and returns validation errors. */
type CheckDocument = (query: string) => readonly [DocumentNode, readonly GraphQLError[]];

/** Returns a function that parses and validates a document, unless the result is cached. */
export function cacheDocuments(check: CheckDocument): (query: string) => Compiled {
  const cache = boundedCache<Compiled>();
  return (query) => {
    const cached = cache.get(query);
    if (cached !== undefined) return cached;
    const compiled = compile(query, check);
    cache.set(query, compiled);
    return compiled;
  };
}

function compile(query: string, check: CheckDocument): Compiled {
  try {
    const [document, problems] = check(query);
    if (problems.length > 0) return { problems };
    return { document, inParts: /@\s*(?:defer|stream)\b/.test(query) };
  } catch (error) {
    if (error instanceof GraphQLError) return { problems: [error] };
    throw error;
  }
}
