/** A long-lived operation retains only the part of its document that it executes. */
import { getOperationAST, Kind, parse, print, visit, type DocumentNode } from "graphql";
import { describe, expect, it } from "vitest";
import { reduceDocument } from "../../src/graphql/execution/reduce-document.ts";

const text = /* GraphQL */ `
  query Other($unused: String) {
    other(text: $unused)
  }
  subscription Wanted($first: Int = 10, $text: String!) @live {
    alias: events(first: $first, text: $text, list: [1, 2.5, "three", null, true, { a: ENUM }]) {
      ...Outer
      ... on Type @include(if: true) {
        field
      }
    }
  }
  fragment Unreached on Type {
    ...Inner
    unreached
  }
  fragment Outer on Type {
    ...Inner
  }
  fragment Inner on Type {
    inner(
      text: """
      A block of text that is longer than a few words
      """
    )
    ...Outer
  }
`;

function reduce(document: DocumentNode, operationName: string | null = "Wanted") {
  const variableValues = { first: 1, text: "text", unused: "x".repeat(1_000), other: {} };
  return reduceDocument({ document, operationName, variableValues });
}

describe("a reduced document", () => {
  const document = parse(text);
  const { document: reduced, variableValues } = reduce(document);

  it("has the operation and the fragments that it reaches, directly or through other fragments", () => {
    const wanted = document.definitions.filter(
      (one) => "name" in one && ["Wanted", "Outer", "Inner"].includes(one.name?.value ?? ""),
    );
    expect(print(reduced)).toBe(print({ kind: Kind.DOCUMENT, definitions: wanted }));
    expect(getOperationAST(reduced, "Wanted")?.operation).toBe("subscription");
  });

  it("has no locations, whose tokens would retain the whole document", () => {
    const located: unknown[] = [];
    visit(reduced, { enter: (node) => void (node.loc && located.push(node)) });
    expect(located).toEqual([]);
  });

  it("has only the variables that the operation declares", () => {
    expect(variableValues).toEqual({ first: 1, text: "text" });
  });

  it("is shared by all executions of one document", () => {
    expect(reduce(document).document).toBe(reduced);
    expect(reduce(reduced).document).toBe(reduced);
  });

  it("has the only operation if no name is given", () => {
    const { document: only } = reduce(parse("subscription { events }"), null);
    expect(print(only)).toBe(print(parse("subscription { events }")));
  });

  it("leaves the original document unchanged, so that errors of short queries have locations", () => {
    expect(document.loc?.source.body).toBe(text);
    expect(print(document)).toBe(print(parse(text)));
  });

  it("accepts a variable of any name", () => {
    const one = parse("subscription ($__proto__: Int, $toString: Int) { events(a: $__proto__) }");
    const values = JSON.parse('{"__proto__": 1}') as Record<string, unknown>;
    const args = { document: one, operationName: null, variableValues: values };
    expect(Object.entries(reduceDocument(args).variableValues ?? {})).toEqual([["__proto__", 1]]);
  });
});
