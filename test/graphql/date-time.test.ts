/** The scalar DateTime in an app's own fields: arguments and results. */
import { expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask } from "../helpers/http.ts";

const schema: CurfewOptions = {
  typeDefs: "extend type Query { nextDay(after: DateTime!): DateTime! }",
  resolvers: {
    Query: { nextDay: (_parent, { after }: { after: Date }) => after.getTime() + 86_400_000 },
  },
};

it("a DateTime literal or variable is a Date in resolvers, and ISO 8601 in the response", async () => {
  await using curfew = await startCurfew(schema);
  const literal = await ask(curfew.url, '{ nextDay(after: "2026-01-31T12:00:00Z") }');
  expect(literal.data).toEqual({ nextDay: "2026-02-01T12:00:00.000Z" });
  const query = "query ($after: DateTime!) { nextDay(after: $after) }";
  const variables = { after: "2026-01-31T12:00:00+02:00" };
  expect((await ask(curfew.url, query, { variables })).data).toEqual({
    nextDay: "2026-02-01T10:00:00.000Z",
  });
});

it.each(["{ nextDay(after: 1) }", '{ nextDay(after: "soon") }', "{ nextDay(after: null) }"])(
  "an invalid DateTime literal is a client error: %s",
  async (query) => {
    await using curfew = await startCurfew(schema);
    const { data, errors } = await ask(curfew.url, query);
    expect(data).toBeUndefined();
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.extensions?.["code"]).not.toBe("INTERNAL_SERVER_ERROR");
  },
);

it.each([1, "soon", {}, true])(
  "an invalid DateTime variable is a client error: %j",
  async (after) => {
    await using curfew = await startCurfew(schema);
    const query = "query ($after: DateTime!) { nextDay(after: $after) }";
    const { data, errors } = await ask(curfew.url, query, { variables: { after } });
    expect(data).toBeUndefined();
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.extensions?.["code"]).not.toBe("INTERNAL_SERVER_ERROR");
  },
);
