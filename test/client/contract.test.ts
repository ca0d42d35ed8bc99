/** The client's documents and types match the public schema. */
import { readdirSync, readFileSync } from "node:fs";
import { buildSchema, parse, validate } from "graphql";
import { expect, expectTypeOf, it } from "vitest";
import type { RefusalReason } from "../../src/client/index.ts";
import { mutations } from "../../src/client/requests.ts";
import type { RefusalReason as SchemaRefusalReason } from "../../src/graphql/generated.ts";

it.each(Object.entries(mutations))(
  "the mutation %s is valid against the schema",
  (_name, document) => {
    const folder = new URL("../../schema/", import.meta.url);
    const files = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), "utf8"));
    expect(validate(buildSchema(files.join("\n")), parse(document))).toEqual([]);
  },
);

it("the client's refusal reasons are those of the schema", () => {
  expectTypeOf<RefusalReason>().toEqualTypeOf<SchemaRefusalReason>();
});
