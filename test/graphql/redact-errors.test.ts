/** Errors of a malformed request do not quote its values, which may be passwords. */
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";

const secret = 'the password; of someone: it is "mine"';
const number = 9_876_543_210_987;
const text = JSON.stringify(secret);
const typed = 'mutation ($p: String!) { register(email: "a", password: $p) { __typename } }';
const notText = "String cannot represent a non string value.";

const wrong: readonly (readonly [string, string, unknown, string])[] = [
  ["a list", typed, [secret], `Variable "$p" got an invalid value; ${notText}`],
  ["an object", typed, { secret }, `Variable "$p" got an invalid value; ${notText}`],
  ["a number", typed, number, `Variable "$p" got an invalid value; ${notText}`],
  [
    "a field of its own",
    `mutation { login(email: [${text}], password: "") { __typename } }`,
    1,
    notText,
  ],
  ["a number in the text", `mutation { logout(token: ${number}) { endedSessions } }`, 1, notText],
  [
    "a text as a flag",
    `{ __typename @skip(if: ${text}) }`,
    1,
    "Boolean cannot represent a non boolean value.",
  ],
  ["a text out of place", `{ hello ${text} }`, 1, "Syntax Error: Expected Name, found String."],
  [
    "a long text out of place",
    `{ a """${secret} """ }`,
    1,
    "Syntax Error: Expected Name, found BlockString.",
  ],
  ["a text at first", `${text} ${text}`, 1, "Syntax Error: Unexpected String."],
  [
    "a text after a forgotten colon",
    `mutation { login(password ${text}) { __typename } }`,
    1,
    'Syntax Error: Expected ":", found String.',
  ],
  [
    "an invalid escape",
    '{ hello(text: "\\upassword;") }',
    1,
    "Syntax Error: Invalid Unicode escape sequence.",
  ],
  ["a number out of place", `{ hello ${number} }`, 1, "Syntax Error: Expected Name, found Int."],
];

it.each(wrong)("%s is not quoted, over HTTP or on a socket", async (_, query, p, message) => {
  await using curfew = await startCurfew();
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", query, { p });
  const { payload } = await socket.messages.next();
  const { errors } = await ask(curfew.url, query, { variables: { p } });
  for (const shown of [payload.errors ?? payload, errors]) {
    expect(shown.map((one: { message: string }) => one.message)).toContain(message);
    const body = JSON.stringify(shown);
    expect(body).not.toContain("password;");
    expect(body).not.toContain(String(number));
  }
});
