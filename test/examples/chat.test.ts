/** The GraphQL API of the example chat, on one node and on two. */
import { expect, it } from "vitest";
import { startChat } from "../helpers/chat.ts";
import { newFolder } from "../helpers/command.ts";
import { ask, askData, logout, newEmail, register } from "../helpers/http.ts";
import { startRedis } from "../helpers/redis.ts";
import { connect, type TestSocket } from "../helpers/socket.ts";

const sayMutation = `mutation ($text: String!) {
  say(room: LOBBY, text: $text) { ... on Message { id } ... on InvalidInput { fields { field } } }
}`;
const presentSubscription = "subscription { present(room: LOBBY) { name } }";
const saidSubscription =
  "subscription ($after: ID) { messageSaid(room: LOBBY, after: $after) { text author { name } } }";

/** The next event on a socket with a single subscription. */
async function next(socket: TestSocket) {
  return (await socket.messages.next()).payload.data;
}

const named = (...emails: string[]) => ({
  present: emails.map((email) => ({ name: email.split("@")[0] })),
});

it("two nodes form one chat: new messages, past messages and presence", async () => {
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
  watcher.subscribe("1", presentSubscription);
  expect(await next(watcher)).toEqual(named(ada));
  const firstTab = await connect(there.socketUrl, graceSession.accessToken);
  firstTab.subscribe("1", presentSubscription);
  expect(await next(watcher)).toEqual(named(ada, grace));
  // A second tab of a user does not add a user.
  await using secondTab = await connect(there.socketUrl, graceSession.accessToken);
  secondTab.subscribe("1", presentSubscription);
  expect(await next(secondTab)).toEqual(named(ada, grace));

  const before = await ask(there.url, sayMutation, {
    token: graceSession.accessToken,
    variables: { text: "first" },
  });
  await using listener = await connect(here.socketUrl, adaSession.accessToken);
  // The subscription first yields the messages after `before`, then new ones.
  for (const text of ["second", "third"])
    await ask(there.url, sayMutation, { token: graceSession.accessToken, variables: { text } });
  listener.subscribe("1", saidSubscription, { after: before.data.say.id });
  const author = { name: grace.split("@")[0] };
  for (const text of ["second", "third"])
    expect(await next(listener)).toEqual({ messageSaid: { text, author } });
  await ask(there.url, sayMutation, {
    token: graceSession.accessToken,
    variables: { text: " fourth " },
  });
  expect(await next(listener)).toEqual({ messageSaid: { text: "fourth", author } });

  // One socket of the user is lost; the session of the other ends.
  firstTab.ws.terminate();
  await logout(there.url, graceSession.accessToken);
  expect(await next(watcher)).toEqual(named(ada));
});

it("the chat refuses blank and overlong messages and unauthenticated requests", async () => {
  await using folder = await newFolder();
  await using chat = await startChat({ DATA_DIR: folder.path });
  const { accessToken: token } = await register(chat.url);
  for (const text of [" ", "x".repeat(2_001)]) {
    const data = await askData(chat.url, sayMutation, { token, variables: { text } });
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

it("the chat serves its pages with a Content-Security-Policy and no other files", async () => {
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

it("the built package contains every file that its explorer loads", async () => {
  await using folder = await newFolder();
  await using chat = await startChat({ DATA_DIR: folder.path });
  const response = await fetch(chat.url, { headers: { accept: "text/html" } });
  const page = await response.text();
  const paths = [...page.matchAll(/(?:href|src)="(graphql\/[^"]+)"/g)].map(([, path = ""]) => path);
  expect(paths.length).toBeGreaterThan(5);
  for (const path of paths)
    expect((await fetch(new URL(path, chat.url.replace("graphql", "")))).status, path).toBe(200);
});
