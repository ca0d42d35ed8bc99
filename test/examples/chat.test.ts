/** The example chat without its page: what its schema promises, on one node and on two. */
import { expect, it } from "vitest";
import { startChat } from "../helpers/chat.ts";
import { newFolder } from "../helpers/command.ts";
import { ask, askData, logout, newEmail, register } from "../helpers/http.ts";
import { startRedis } from "../helpers/redis.ts";
import { connect, type TestSocket } from "../helpers/socket.ts";

const say = `mutation ($text: String!) {
  say(room: LOBBY, text: $text) { ... on Message { id } ... on InvalidInput { fields { field } } }
}`;
const present = "subscription { present(room: LOBBY) { name } }";
const said =
  "subscription ($after: ID) { messageSaid(room: LOBBY, after: $after) { text author { name } } }";

/** What a subscription yields next, of a socket that has no other. */
async function next(socket: TestSocket) {
  return (await socket.messages.next()).payload.data;
}

const named = (...emails: string[]) => ({
  present: emails.map((email) => ({ name: email.split("@")[0] })),
});

it("two nodes are one chat: what is said, what was said, and who is there", async () => {
  await using redis = await startRedis();
  await using folder = await newFolder();
  const env = {
    DATA_DIR: folder.path,
    REDIS_URL: redis.url,
  };
  await using here = await startChat(env);
  await using there = await startChat(env);
  const [ada, grace] = [newEmail(), newEmail()];
  const adaSession = await register(here.url, ada);
  const graceSession = await register(there.url, grace);

  await using watcher = await connect(here.socketUrl, adaSession.accessToken);
  watcher.subscribe("1", present);
  expect(await next(watcher)).toEqual(named(ada));
  const visitor = await connect(there.socketUrl, graceSession.accessToken);
  visitor.subscribe("1", present);
  expect(await next(watcher)).toEqual(named(ada, grace));
  // A second tab is nobody else.
  await using secondTab = await connect(there.socketUrl, graceSession.accessToken);
  secondTab.subscribe("1", present);
  expect(await next(secondTab)).toEqual(named(ada, grace));

  const before = await ask(there.url, say, {
    token: graceSession.accessToken,
    variables: { text: "first" },
  });
  await using listener = await connect(here.socketUrl, adaSession.accessToken);
  // What came after that message, though it was said before anybody listened; and then what is said.
  for (const text of ["second", "third"])
    await ask(there.url, say, { token: graceSession.accessToken, variables: { text } });
  listener.subscribe("1", said, { after: before.data.say.id });
  const author = { name: grace.split("@")[0] };
  for (const text of ["second", "third"])
    expect(await next(listener)).toEqual({ messageSaid: { text, author } });
  await ask(there.url, say, {
    token: graceSession.accessToken,
    variables: { text: " fourth " },
  });
  expect(await next(listener)).toEqual({ messageSaid: { text: "fourth", author } });

  // One socket dies, and the session of the other ends.
  visitor.ws.terminate();
  await logout(there.url, graceSession.accessToken);
  expect(await next(watcher)).toEqual(named(ada));
});

it("a message that says nothing is refused, and who is signed out hears and says nothing", async () => {
  await using folder = await newFolder();
  await using chat = await startChat({ DATA_DIR: folder.path });
  const { accessToken: token } = await register(chat.url);
  for (const text of [" ", "x".repeat(2_001)]) {
    const data = await askData(chat.url, say, { token, variables: { text } });
    expect(data.say).toEqual({ fields: [{ field: "text" }] });
  }
  for (const query of [
    "{ messages(room: LOBBY) { id } }",
    `mutation { say(room: LOBBY, text: "a") { __typename } }`,
  ]) {
    const { errors } = await ask(chat.url, query);
    expect(errors).toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }]);
  }
  const data = await askData(chat.url, "{ messages(room: LOBBY) { id } }", { token });
  expect(data).toEqual({ messages: [] });
});

it("the page has a policy, and nothing but the page is served", async () => {
  await using folder = await newFolder();
  await using chat = await startChat({ DATA_DIR: folder.path });
  const get = (path: string) => fetch(new URL(path, chat.url));
  for (const path of ["/", "/apollo.html", "/urql.html"]) {
    const { status, headers } = await get(path);
    expect(status).toBe(200);
    expect(headers.get("content-security-policy")).toContain("default-src 'self'");
  }
  for (const path of ["/..%2fserver.ts", "/%2e%2e/server.ts", "/server.ts", "/data/curfew.sqlite"])
    expect((await get(path)).status).toBe(404);
});

it("the package that it stands on has all that its explorer loads", async () => {
  await using folder = await newFolder();
  await using chat = await startChat({ DATA_DIR: folder.path });
  const response = await fetch(chat.url, { headers: { accept: "text/html" } });
  const page = await response.text();
  const paths = [...page.matchAll(/(?:href|src)="(graphql\/[^"]+)"/g)].map(([, path = ""]) => path);
  expect(paths.length).toBeGreaterThan(5);
  for (const path of paths)
    expect((await fetch(new URL(path, chat.url.replace("graphql", "")))).status, path).toBe(200);
});
