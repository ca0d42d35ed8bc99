/** The client's documents and types match the public schema. */
import { readdirSync, readFileSync } from "node:fs";
import { buildSchema, parse, validate } from "graphql";
import { expect, expectTypeOf, it } from "vitest";
import type { EndReason, RefusalReason } from "../../src/client/index.ts";
import { mutations } from "../../src/client/requests.ts";
import type {
  EndReason as SchemaEndReason,
  RefusalReason as SchemaRefusalReason,
} from "../../src/graphql/generated.ts";

const folder = new URL("../../schema/", import.meta.url);
const schema = readdirSync(folder)
  .map((file) => readFileSync(new URL(file, folder), "utf8"))
  .join("\n");

it.each(Object.entries(mutations))(
  "the mutation %s is valid against the schema",
  (_name, document) => {
    expect(validate(buildSchema(schema), parse(document))).toEqual([]);
  },
);

it("only the question for the end reason needs a server that has RenewalRefused.endReason", () => {
  const earlier = schema.replace(
    /"""[^"]*"""\s+endReason: EndReason\n}\s+"The reason why a token/,
    '}\n"The reason why a token',
  );
  const refused = Object.entries(mutations).filter(
    ([, document]) => validate(buildSchema(earlier), parse(document)).length > 0,
  );
  expect(refused.map(([name]) => name)).toEqual(["endReason"]);
});

it("the client's reasons are those of the schema", () => {
  expectTypeOf<RefusalReason>().toEqualTypeOf<SchemaRefusalReason>();
  expectTypeOf<EndReason>().toEqualTypeOf<SchemaEndReason>();
});
