/** Runs the example Node client: renewals, a server restart, the end of its session, failed logins. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { Command, newFolder, startServer } from "../helpers/command.ts";
import { ask, askData, login, newEmail, password, register } from "../helpers/http.ts";
import { until } from "../helpers/until.ts";

const file = join(import.meta.dirname, "../../examples/node-client/client.ts");

function startClient(url: string, email: string, clientPassword = password) {
  const env = { CURFEW_URL: url, CURFEW_EMAIL: email, CURFEW_PASSWORD: clientPassword };
  return new Command([], env, undefined, file);
}

it("the client stays subscribed through renewals and a server restart, and prints why its session ended", async () => {
  await using folder = await newFolder();
  const env = { DATA_DIR: folder.path, ACCESS_TOKEN_TTL: "12s", RENEWAL_GRACE: "11s" };
  await using first = await startServer({ ...env, PORT: "0" });
  const email = newEmail();
  const { accessToken } = await register(first.url, email);
  const client = startClient(first.url, email);
  const ended = client.ended.then(({ output, errors }) => {
    throw new Error(`The client exited:\n${output}${errors}`);
  });
  ended.catch(() => {});
  const prints = (text: string, times = 1) =>
    Promise.race([
      until(() => client.output.split(text).length > times, `"${text}" of the client`),
      ended,
    ]);
  await prints("connected");
  const id = /signed in (\S+)/.exec(client.output)?.[1] ?? "";
  await prints(`RENEWED ${id}`, 2);

  await first.stop("SIGKILL");
  await using second = await startServer({ ...env, PORT: first.port });
  await prints("connected", 2);
  const { sessionId } = await login(second.url, email);
  await prints(`STARTED ${sessionId}`);
  expect(client.output.split("signed in")).toHaveLength(2);

  const owner = await login(second.url, email);
  await ask(second.url, "mutation ($id: ID!) { endSession(id: $id) { endedSessions } }", {
    token: owner.accessToken,
    variables: { id },
  });
  const { code, output, errors } = await client.ended;
  expect(output).toMatch(/SESSION_ENDED: ENDED_BY_USER\n$/);
  expect([code, errors]).toEqual([0, ""]);
  expect(output).not.toContain(accessToken);
});

it("the client logs out on SIGTERM", async () => {
  await using server = await startServer({ DATA_DIR: ":memory:", PORT: "0" });
  const email = newEmail();
  const { accessToken } = await register(server.url, email);
  const client = startClient(server.url, email);
  await until(() => client.output.includes("connected"), "the client");
  client.child.kill("SIGTERM");
  const { code, output } = await client.ended;
  expect([code, output.split("\n").at(-2)]).toEqual([0, "SESSION_ENDED: LOGOUT"]);
  const query = "{ viewer { sessions { current } } }";
  const data = await askData(server.url, query, { token: accessToken });
  expect(data.viewer.sessions).toEqual([{ current: true }]);
});

it("the client prints the error and exits with 1 if the login fails", async () => {
  await using server = await startServer({ DATA_DIR: ":memory:", PORT: "0" });
  const { code, errors } = await startClient(server.url, newEmail(), "a wrong password").ended;
  expect([code, errors]).toEqual([1, expect.stringMatching(/^InvalidCredentials: /)]);
});
