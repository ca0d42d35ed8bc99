/** The placement of @authenticated: it guards, or the start is refused, whichever plugin sets the schema. */
import { makeExecutableSchema } from "@graphql-tools/schema";
import { extendSchema, parse, type GraphQLSchema } from "graphql";
import { createYoga, type Plugin } from "graphql-yoga";
import { describe, expect, it } from "vitest";
import { guardAuthenticated, openSessions } from "../../src/index.ts";
import { secrets, startCurfew } from "../helpers/curfew.ts";
import { ask, register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { pino } from "pino";

const missing = { code: "UNAUTHENTICATED", reason: "MISSING" };
const directive = `directive @authenticated on
  SCHEMA | SCALAR | OBJECT | FIELD_DEFINITION | ARGUMENT_DEFINITION | INTERFACE | UNION | ENUM
  | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION`;

function schemaOf(typeDefs: string, resolvers = {}): GraphQLSchema {
  return makeExecutableSchema({ typeDefs: [directive, typeDefs], resolvers });
}

describe("@authenticated that would guard nothing is refused, with the correct placement:", () => {
  it.each([
    [
      "an argument",
      "type Query { find(id: ID @authenticated): Int }",
      "Query.find(id:)",
      "Query.find.",
    ],
    [
      "an argument of an interface's field",
      "interface A { find(id: ID @authenticated): Int } type Query { a: A }",
      "A.find(id:)",
      "A.find.",
    ],
    [
      "an argument of a directive",
      "directive @own(id: ID @authenticated) on FIELD type Query { a: Int }",
      "@own(id:)",
      "types and fields",
    ],
    [
      "an enum",
      "enum Kind @authenticated { A } type Query { a: Kind }",
      "the enum Kind",
      "return Kind",
    ],
    [
      "an enum's value",
      "enum Kind { A @authenticated } type Query { a: Kind }",
      "Kind.A",
      "return Kind",
    ],
    ["a scalar", "scalar Url @authenticated type Query { a: Url }", "the scalar Url", "return Url"],
    [
      "a union",
      "type A { a: Int } union Any @authenticated = A type Query { a: Any }",
      "the union Any",
      "its types",
    ],
    [
      "an input",
      "input By @authenticated { id: ID } type Query { a(by: By): Int }",
      "the input By",
      "take By",
    ],
    [
      "a field of an input",
      "input By { id: ID @authenticated } type Query { a(by: By): Int }",
      "By.id",
      "take By",
    ],
    [
      "an extension of an input",
      "input By { id: ID } extend input By @authenticated type Query { a(by: By): Int }",
      "the input By",
      "take By",
    ],
    [
      "the schema",
      "schema @authenticated { query: Query } type Query { a: Int }",
      "the schema",
      "Mark",
    ],
  ])("%s", (_, typeDefs, name, instead) => {
    const guard = () => guardAuthenticated(schemaOf(typeDefs));
    for (const part of ["@authenticated on ", name, instead]) expect(guard).toThrow(part);
  });

  it("createCurfew throws", async () => {
    const typeDefs = `${directive} type Query { find(id: ID @authenticated): Int }`;
    await expect(startCurfew({ typeDefs })).rejects.toThrow("Query.find(id:) guards nothing");
  });

  it("createYoga throws with the plugin of openSessions", async () => {
    const logger = pino({ level: "silent" });
    await using curfew = await openSessions({ dataDir: ":memory:", secrets, logger });
    const schema = schemaOf("type Query { find(id: ID @authenticated): Int }");
    expect(() => createYoga({ schema, plugins: [curfew.plugin] })).toThrow(
      "Query.find(id:) guards nothing",
    );
  });

  it("a Yoga whose schema is a promise refuses every operation", async () => {
    const logger = pino({ level: "silent" });
    await using curfew = await openSessions({ dataDir: ":memory:", secrets, logger });
    const schema = schemaOf("type Query { find(id: ID @authenticated): Int }", {
      Query: { find: () => 7 },
    });
    const yoga = createYoga({
      schema: () => Promise.resolve(schema),
      plugins: [curfew.plugin],
      logging: false,
    });
    for (let i = 0; i < 2; i += 1) {
      const response = await yoga.fetch("http://localhost/graphql?query={find}");
      expect(response.status).toBe(500);
      expect(await response.text()).not.toContain("7");
    }
  });
});

describe("@authenticated guards", () => {
  const resolvers = {
    Query: { pet: () => ({ __typename: "Cat", name: "Tom", kind: "cat", connections: 9 }) },
  };

  it.each([
    [
      "the fields of an interface",
      `${directive} interface Named @authenticated { name: String! }
       type Cat implements Named { name: String! kind: String! } type Query { pet: Cat }`,
    ],
    [
      "the fields of an interface of an interface",
      `${directive} interface Top @authenticated { name: String! }
       interface Named implements Top { name: String! }
       type Cat implements Top & Named { name: String! kind: String! } type Query { pet: Cat }`,
    ],
    [
      "the fields of an extended interface",
      `${directive} interface Named { name: String! } extend interface Named @authenticated
       type Cat implements Named { name: String! kind: String! } type Query { pet: Cat }`,
    ],
  ])("%s", async (_, typeDefs) => {
    await using curfew = await startCurfew({ typeDefs, resolvers });
    const { errors } = await ask(curfew.url, "{ pet { name } }");
    expect(errors).toMatchObject([{ path: ["pet", "name"], extensions: missing }]);
    expect((await ask(curfew.url, "{ pet { kind } }")).data.pet).toEqual({ kind: "cat" });
  });

  it("an extended type, and the whole query type", async () => {
    await using curfew = await startCurfew({
      typeDefs: `type Cat { name: String! } extend type Cat @authenticated type Query { pet: Cat }`,
      resolvers,
    });
    const { errors } = await ask(curfew.url, "{ pet { name } }");
    expect(errors).toMatchObject([{ path: ["pet", "name"], extensions: missing }]);
    await using other = await startCurfew({
      typeDefs: `type Query @authenticated { a: Int }`,
      resolvers: { Query: { a: () => 7 } },
    });
    expect((await ask(other.url, "{ a }")).errors).toMatchObject([{ extensions: missing }]);
  });

  it("a schema that is extended after it was guarded", () => {
    const schema = guardAuthenticated(schemaOf("type Query { a: Int @authenticated }"));
    const extended = extendSchema(schema, parse("extend type Query { b: Int @authenticated }"));
    expect(guardAuthenticated(extended)).not.toBe(extended);
  });
});

describe("a schema that a plugin of createCurfew sets is guarded", () => {
  const added = parse("extend type Query { secret: Int @authenticated open: Int }");
  const resolve = { secret: () => 7, open: () => 8 };
  function withSecret(schema: GraphQLSchema): GraphQLSchema {
    const extended = schema.getQueryType()?.getFields()["secret"]
      ? extendSchema(schema, parse(`type Unused${Math.random().toString(36).slice(2)} { a: Int }`))
      : extendSchema(schema, added);
    for (const [name, resolver] of Object.entries(resolve)) {
      const field = extended.getQueryType()?.getFields()[name];
      if (field !== undefined) field.resolve ??= resolver;
    }
    return extended;
  }
  const once = (): Plugin => {
    let isDone = false;
    return {
      onSchemaChange: ({ schema, replaceSchema }) => {
        if (isDone) return;
        isDone = true;
        replaceSchema(withSecret(schema as GraphQLSchema));
      },
    };
  };
  const always = (): Plugin => ({
    onSchemaChange: ({ schema, replaceSchema }) =>
      replaceSchema(withSecret(schema as GraphQLSchema)),
  });
  const perOperation = (): Plugin => {
    let made: GraphQLSchema | undefined;
    let given: GraphQLSchema | undefined;
    return {
      onSchemaChange: ({ schema }) => void (given ??= schema as GraphQLSchema),
      onEnveloped: ({ setSchema }) => {
        if (given !== undefined) setSchema((made ??= withSecret(given)));
      },
    };
  };

  it.each([
    ["once", once],
    ["at each change", always],
    ["for each operation", perOperation],
  ])("%s", async (_, plugin) => {
    await using curfew = await startCurfew({ plugins: [plugin()] });
    const { data, errors } = await ask(curfew.url, "{ secret open }");
    expect(data).toEqual({ secret: null, open: 8 });
    expect(errors).toMatchObject([{ path: ["secret"], extensions: missing }]);
    const { accessToken: token } = await register(curfew.url);
    expect((await ask(curfew.url, "{ secret }", { token })).data).toEqual({ secret: 7 });
    await using socket = await connect(curfew.socketUrl, token);
    socket.subscribe("1", "{ secret }");
    expect((await socket.messages.next()).payload.data).toEqual({ secret: 7 });
  });
});
