/** Without introspection, no error names a part of the schema that the client did not name. */
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { hostileApp } from "../helpers/hostile-params.ts";
import { ask, register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";

const nearlyRight: readonly (readonly [string, string, unknown])[] = [
  ["a field", "{ viewr { user { id } } }", null],
  ["an argument", "{ paint(colr: RED) }", null],
  ["an argument of a directive", "{ __typename @skip(iff: true) }", null],
  ["a type of a variable", "query ($a: Filte) { paint(filter: $a) }", null],
  ["a type of a fragment", "{ ...on Quer { hello } }", null],
  ["a field of another type", 'mutation { renew(renewalToken: "") { reason } }', null],
  ["an enum value", "{ paint(color: GREN) }", null],
  ["an enum value as a text", '{ paint(color: "GREEN") }', null],
  ["an enum value as a default", "query ($a: Color = GREN) { paint(color: $a) }", null],
  ["an input field", "{ paint(filter: { colr: RED }) }", null],
  ["an enum value of a variable", "query ($a: Color) { paint(color: $a) }", "GREN"],
  ["an input field of a variable", "query ($a: Filter) { paint(filter: $a) }", { colr: 1 }],
];

async function messages(introspection: boolean, query: string, a: unknown) {
  await using curfew = await startCurfew({ ...hostileApp, introspection });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", query, { a });
  const { payload } = await socket.messages.next();
  const { errors = [] } = await ask(curfew.url, query, { variables: { a } });
  const overSocket = (payload.errors ?? payload) as { message: string }[];
  return [...errors, ...overSocket].map(({ message }) => message);
}

it.each(nearlyRight)(
  "a misspelt %s gets no suggestion without introspection",
  async (_, query, a) => {
    const shown = await messages(false, query, a);
    expect(shown.length).toBeGreaterThanOrEqual(2);
    for (const message of shown) {
      expect(message).not.toMatch(/Did you mean/);
      expect(message).not.toMatch(/ is not valid\.$|got an invalid value\.$/);
    }
  },
);

it("a misspelt field gets a suggestion with introspection", async () => {
  const [query, a] = ["{ viewr { user { id } } }", null];
  for (const message of await messages(true, query, a))
    expect(message).toBe('Cannot query field "viewr" on type "Query". Did you mean "viewer"?');
});
