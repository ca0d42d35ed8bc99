/** The public schema, and the possible results of each mutation. */
import { buildSchema, printSchema, type GraphQLObjectType } from "graphql";
import { expect, it } from "vitest";
import { defaultOptions } from "../../src/config/settings.ts";
import { createSchema } from "../../src/graphql/schema.ts";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask } from "../helpers/http.ts";

/** The fields with their arguments, the values or the members of each type. */
const contract = {
  Query: ["viewer: Viewer"],
  Viewer: ["user: User!", "session: Session!", "sessions: [Session!]!"],
  User: ["id: ID!", "email: String!", "createdAt: DateTime!"],
  Session: [
    "id: ID!",
    "current: Boolean!",
    "createdAt: DateTime!",
    "renewedAt: DateTime!",
    "lastSeenAt: DateTime!",
    "expiresAt: DateTime!",
    "userAgent: String",
    "ipAddress: String",
  ],
  TokenPair: [
    "accessToken: String!",
    "accessTokenExpiresAt: DateTime!",
    "renewalToken: String!",
    "renewalTokenExpiresAt: DateTime!",
  ],
  Mutation: [
    "register(email: String!, password: String!): RegisterResult!",
    "login(email: String!, password: String!): LoginResult!",
    "renew(renewalToken: String!): RenewResult!",
    "logout(token: String): LogoutResult!",
    "endSession(id: ID!): EndSessionsResult! @authenticated",
    "endOtherSessions: EndSessionsResult! @authenticated",
    "changePassword(currentPassword: String!, newPassword: String!): ChangePasswordResult! @authenticated",
  ],
  SignedIn: ["tokens: TokenPair!", "viewer: Viewer!"],
  LogoutResult: ["endedSessions: Int!"],
  EndSessionsResult: ["endedSessions: Int!"],
  PasswordChanged: ["endedSessions: Int!", "tokens: TokenPair!"],
  InvalidCredentials: ["message: String!"],
  TooManyAttempts: ["message: String!", "retryAfterSeconds: Int!"],
  InvalidInput: ["message: String!", "fields: [FieldProblem!]!"],
  FieldProblem: ["field: String!", "message: String!"],
  RenewalRefused: ["message: String!", "reason: RefusalReason!", "endReason: EndReason"],
  Subscription: ["sessionEvents: SessionEvent! @authenticated"],
  SessionEvent: [
    "type: SessionEventType!",
    "session: Session!",
    "endReason: EndReason",
    "ipAddress: String",
    "at: DateTime!",
  ],
};

const rest = `
  directive @authenticated on OBJECT | FIELD_DEFINITION
  scalar DateTime
  interface Problem { message: String! }
  union RegisterResult = SignedIn | InvalidInput | TooManyAttempts
  union LoginResult = SignedIn | InvalidCredentials | TooManyAttempts
  union RenewResult = SignedIn | RenewalRefused | TooManyAttempts
  union ChangePasswordResult = PasswordChanged | InvalidInput | InvalidCredentials | TooManyAttempts
  enum RefusalReason {
    MISSING MALFORMED BAD_SIGNATURE WRONG_KIND EXPIRED SUPERSEDED ENDED REUSED USER_GONE
  }
  enum SessionEventType { STARTED RENEWED ENDED REPLAYED }
  enum EndReason {
    LOGOUT ENDED_BY_USER PASSWORD_CHANGED RENEWAL_REUSED EXPIRED USER_GONE SESSION_LIMIT
    ENDED_BY_OPERATOR
  }
`;
const problems = new Set(
  "InvalidCredentials TooManyAttempts InvalidInput RenewalRefused".split(" "),
);

/** Removes descriptions and sorts, so that only the contract is compared. */
function bare(text: string): string[] {
  return text
    .replace(/"""[^]*?"""/g, "")
    .split(/\n(?=\S)/)
    .map((definition) => definition.split(/\s+/).filter(Boolean).join(" "))
    .filter((definition) => definition !== "")
    .toSorted();
}

it("the schema is exactly the public contract", () => {
  const types = Object.entries(contract).map(
    ([name, fields]) =>
      `type ${name} ${problems.has(name) ? "implements Problem " : ""}{ ${fields.join("\n")} }`,
  );
  const promised = buildSchema([rest, ...types].join("\n"));
  expect(bare(printSchema(createSchema({})))).toEqual(bare(printSchema(promised)));
});

it("the schema guards the fields marked @authenticated", () => {
  const marked = Object.entries(contract).flatMap(([type, fields]) =>
    fields
      .filter((field) => field.endsWith("@authenticated"))
      .map((field) => `${type}.${/^\w+/.exec(field)?.[0]}`),
  );
  const schema = createSchema({});
  const found = Object.keys(contract).flatMap((name) =>
    Object.values((schema.getType(name) as GraphQLObjectType).getFields())
      .filter(({ astNode }) => astNode?.directives?.some((d) => d.name.value === "authenticated"))
      .map((field) => `${name}.${field.name}`),
  );
  expect(found).toEqual(marked);
});

it("the schema includes an app's types, by definition and by extension", () => {
  const { typeDefs, resolvers } = testApp().schema;
  const extension = "extend type Viewer { shoeSize: Int } extend type Query { more: Int }";
  const schema = createSchema({
    typeDefs: [typeDefs, extension],
    resolvers: [resolvers, { Query: { more: () => 1 } }].flat(),
  });
  expect(Object.keys(schema.getQueryType()?.getFields() ?? {})).toEqual(
    expect.arrayContaining(["viewer", "hello", "more"]),
  );
  expect((schema.getType("Viewer") as GraphQLObjectType).getFields()).toHaveProperty("shoeSize");
});

it("resolvers without a field in the schema are refused", () => {
  expect(() => createSchema({ resolvers: { Query: { nothing: () => 1 } } })).toThrow("nothing");
});

it("introspection and GraphiQL are on, except in production", async () => {
  const query = "{ __schema { queryType { name } } }";
  await using open = await startCurfew();
  expect((await ask(open.url, query)).data).toEqual({ __schema: { queryType: { name: "Query" } } });
  const { graphiql, introspection } = defaultOptions(true);
  await using production = await startCurfew({ graphiql, introspection });
  const { errors } = await ask(production.url, query);
  expect(errors?.[0]?.message).toContain("introspection");
  const page = await fetch(production.url, { headers: { accept: "text/html" } });
  expect(page.headers.get("content-type") ?? "").not.toContain("text/html");
  expect((await ask(production.url, "{ __typename }")).data).toEqual({ __typename: "Query" });
});
