/** Arbitraries of GraphQL documents and parameters: valid, almost valid and invalid. */
import * as fc from "fast-check";

/** A placeholder for a credential of the attacker's own session; `withCredentials` replaces it. */
export const credentialPlaceholder = fc.constantFrom("ACCESS_TOKEN", "RENEWAL_TOKEN", "SESSION_ID");
export type Credentials = Readonly<Record<"ACCESS_TOKEN" | "RENEWAL_TOKEN" | "SESSION_ID", string>>;

/** Replaces the placeholders. */
export function withCredentials(text: string, credentials: Credentials): string {
  return text.replaceAll(
    /ACCESS_TOKEN|RENEWAL_TOKEN|SESSION_ID/g,
    (name) => credentials[name as keyof Credentials],
  );
}

const unusualText = fc.constantFrom(
  "",
  "\0",
  "\uD800",
  "\uFEFF",
  "\u202E",
  "__proto__",
  "constructor",
  "toString",
  "then",
  "$",
  "#",
  '"""',
  "\\u{110000}",
  "x".repeat(5_000),
  "e\u0301".repeat(2_000),
);
export const anyText = fc.oneof(
  { weight: 3, arbitrary: fc.string({ maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.array(fc.nat({ max: 0xffff })).map((units) => String.fromCharCode(...units)),
  },
  { weight: 2, arbitrary: unusualText },
  { weight: 2, arbitrary: fc.nat({ max: 99 }).map((n) => `user-${n}@example.com`) },
);

const names = [
  ..."viewer user session sessions id email createdAt current expiresAt userAgent".split(" "),
  ..."hello own vault word number __typename __schema __type types fields name kind".split(" "),
  ..."tokens accessToken message reason endedSessions retryAfterSeconds said".split(" "),
  ..."heard sessionEvents type at register login renew logout endSession".split(" "),
  ..."endOtherSessions changePassword say SignedIn Problem Viewer Query Mutation".split(" "),
];
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...names) },
  { weight: 1, arbitrary: fc.stringMatching(/^[_A-Za-z]\w{0,8}$/) },
);
const argument = fc.constantFrom(
  ..."email password renewalToken token id currentPassword newPassword text if name".split(" "),
);
const { value } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.oneof(
      anyText.map((text) => JSON.stringify(text)),
      fc.constantFrom("null", "true", "1", "-0", "1e999", "9".repeat(400), "$a", "RED", '"""b"""'),
      fc.double().map(String),
    ),
    tie("list"),
    tie("object"),
  ),
  list: fc.array(tie("value"), { maxLength: 3 }).map((values) => `[${values.join(" ")}]`),
  object: fc
    .array(fc.tuple(name, tie("value")), { maxLength: 3 })
    .map((fields) => `{${fields.map(([key, each]) => `${key}: ${each}`).join(", ")}}`),
}));
const args = fc
  .array(fc.tuple(argument, value), { maxLength: 3 })
  .map((each) => (each.length ? `(${each.map(([key, of]) => `${key}: ${of}`).join(", ")})` : ""));
const directive = fc.oneof(
  { weight: 8, arbitrary: fc.constant("") },
  fc.constantFrom("@skip(if: true)", "@include(if: $a)", "@authenticated", "@defer", "@stream"),
  fc.tuple(name, args).map(([of, given]) => ` @${of}${given}`),
);

const { selections } = fc.letrec<{ selections: string; field: string; inline: string }>((tie) => ({
  selections: fc
    .array(fc.oneof({ weight: 4, arbitrary: tie("field") }, tie("inline")), {
      minLength: 1,
      maxLength: 4,
      depthIdentifier: "selections",
    })
    .map((each) => ` { ${each.join(" ")} }`),
  field: fc
    .tuple(
      fc.option(name, { nil: undefined, freq: 5 }),
      name,
      args,
      directive,
      fc.option(tie("selections"), { nil: "", depthIdentifier: "selections", maxDepth: 4 }),
    )
    .map(([alias, of, given, marks, inner]) =>
      [alias === undefined ? "" : `${alias}: `, of, given, marks, inner].join(""),
    ),
  inline: fc.oneof(
    fc
      .tuple(fc.constantFrom("on SignedIn", "on Problem", ""), directive)
      .chain(([on, marks]) =>
        fc.tuple(fc.constant(on), fc.constant(marks), fc.constant(" { __typename }")),
      )
      .map((parts) => `... ${parts.join(" ")}`),
    name.map((of) => `...${of}`),
  ),
}));

const operation = fc
  .tuple(
    fc.constantFrom("query", "mutation", "subscription", "fragment A on", "", "type", "extend"),
    fc.option(name, { nil: "" }),
    fc.constantFrom("", "", "($a: Boolean = true)", "($a: String!, $a: Int)", "($a: [[X!]!]!)"),
    directive,
    selections,
  )
  .map((parts) => parts.join(" "));

/** Follows the grammar, mostly with names that exist. */
const grammaticalDocument = fc
  .array(operation, { minLength: 1, maxLength: 3 })
  .map((each) => each.join("\n"));

const outcome =
  "{ __typename ... on Problem { message } ... on SignedIn { tokens { accessToken } } }";
/** Documents of honest clients, subscriptions included. */
const validDocument = fc.constantFrom(
  "{ __typename }",
  "{ hello }",
  "{ own }",
  "{ vault { word number } }",
  "{ viewer { user { email } session { id current } sessions { id userAgent ipAddress } } }",
  "query A { hello } query B { __typename }",
  "query ($a: Boolean = false) { hello @include(if: $a) }",
  `mutation ($email: String!, $password: String!) { register(email: $email, password: $password) ${outcome} }`,
  `mutation ($email: String!, $password: String!) { login(email: $email, password: $password) ${outcome} }`,
  `mutation ($renewalToken: String!) { renew(renewalToken: $renewalToken) ${outcome} }`,
  "mutation ($token: String) { logout(token: $token) { endedSessions } }",
  "mutation ($id: ID!) { endSession(id: $id) { endedSessions } }",
  "mutation ($currentPassword: String!, $newPassword: String!) { changePassword(currentPassword: $currentPassword, newPassword: $newPassword) { __typename } }",
  "mutation ($text: String!) { say(text: $text) }",
  "subscription { heard }",
  "subscription { sessionEvents { type endReason at session { id } } }",
  "{ __schema { types { name fields { name type { name ofType { name } } } } } }",
);

/** Documents that cost more than their size suggests. */
const expensiveDocument = fc.oneof(
  fc.nat({ max: 300 }).map((n) => `{${" hello".repeat(n)} }`),
  fc
    .nat({ max: 300 })
    .map((n) => `{ ${Array.from({ length: n }, (_, i) => `a${i}: hello`).join(" ")} }`),
  fc.nat({ max: 20_000 }).map((n) => "{ viewer ".repeat(n)),
  fc.nat({ max: 20_000 }).map((n) => `{ hello(a: ${"[".repeat(n)}${"]".repeat(n)}) }`),
  fc.nat({ max: 100 }).map((n) => `{ hello${" @skip(if: false)".repeat(n)} }`),
  fc.nat({ max: 40 }).map((n) => {
    const chain = Array.from(
      { length: n },
      (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`,
    );
    return `{ ...F0 } ${chain.join(" ")} fragment F${n} on Query { hello }`;
  }),
  fc.constant("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"),
  fc.nat({ max: 60 }).map((n) => {
    const login = (i: number) =>
      `a${i}: login(email: "a@example.com", password: "${i}") { __typename }`;
    return `mutation { ${Array.from({ length: n }, (_, i) => login(i)).join(" ")} }`;
  }),
);

/** Removes, doubles or replaces a piece of the text. */
export function damaged(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.nat(), fc.nat({ max: 12 }), anyText, fc.nat({ max: 2 }))
    .map(([whole, where, length, other, how]) => {
      const at = where % (whole.length + 1);
      const piece = whole.slice(at, at + length);
      const between = how === 0 ? "" : how === 1 ? piece + piece : other;
      return whole.slice(0, at) + between + whole.slice(at + length);
    });
}

export const document = fc.oneof(
  { weight: 6, arbitrary: validDocument },
  { weight: 4, arbitrary: grammaticalDocument },
  { weight: 3, arbitrary: damaged(validDocument) },
  { weight: 1, arbitrary: expensiveDocument },
  { weight: 1, arbitrary: anyText },
);

const text = fc.oneof(
  anyText,
  credentialPlaceholder,
  fc.tuple(credentialPlaceholder, anyText).map(([token, more]) => token + more),
);
const anything = fc.oneof({ weight: 4, arbitrary: text }, fc.jsonValue({ maxDepth: 2 }));
const key = fc.oneof({ weight: 9, arbitrary: argument }, unusualText);
/** JSON values. */
const variables = fc.oneof(
  { weight: 6, arbitrary: fc.dictionary(key, anything, { maxKeys: 6 }) },
  fc.jsonValue({ maxDepth: 3 }),
);

const plainParams = fc.record({ query: document, variables }, { requiredKeys: ["query"] });
const unusualParams = fc.record(
  {
    query: fc.oneof({ weight: 12, arbitrary: document }, fc.jsonValue({ maxDepth: 1 })),
    variables,
    operationName: fc.oneof(
      fc.constantFrom("A", "B", null),
      anyText,
      fc.jsonValue({ maxDepth: 1 }),
    ),
    extensions: fc.jsonValue({ maxDepth: 2 }),
    extra: fc.jsonValue({ maxDepth: 1 }),
  },
  { requiredKeys: ["query"] },
);

/** The parameters of a request, some with extra or missing members. */
export const params: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: plainParams },
  { weight: 4, arbitrary: unusualParams },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  { weight: 1, arbitrary: fc.array(plainParams, { maxLength: 3 }) },
);

/** The parameters as JSON, sometimes damaged or too deeply nested. */
export const json = fc.oneof(
  { weight: 14, arbitrary: params.map((one) => JSON.stringify(one)) },
  { weight: 2, arbitrary: damaged(params.map((one) => JSON.stringify(one))) },
  {
    weight: 1,
    arbitrary: fc
      .nat({ max: 50_000 })
      .map((n) => `{"query":"{ hello }","variables":{"a":${"[".repeat(n)}${"]".repeat(n)}}}`),
  },
);
