/** A server that stops says so to everybody it still talks to, and waits for nobody in vain. */
import { connect as connectTcp } from "node:net";
import { once } from "node:events";
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, register } from "../helpers/http.ts";
import { openStream } from "../helpers/sse.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const serviceRestart = { code: 1012, reason: "SERVICE_RESTART" };

it("its sockets close with 1012, signed in or not, and its streams end, so that clients come back", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken: token } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  await using silent = await new TestSocket(curfew.socketUrl).opened();
  await using stream = await openStream(curfew.url, "subscription { said }", { token });
  expect((await stream.events.next()).data).toEqual({ data: { said: "ready" } });

  await curfew.close();

  expect(await socket.closed).toEqual(serviceRestart);
  expect(await silent.closed).toEqual(serviceRestart);
  const { data } = await stream.events.next();
  expect(data.errors[0].extensions).toEqual({ code: "SERVICE_RESTART" });
  await stream.ended;
  expect(curfew.connections.size).toBe(0);
});

it("it does not wait for connections that never asked anything", async () => {
  await using curfew = await startCurfew({ drainTime: 60_000 });
  const { port, hostname } = new URL(curfew.url);
  const idle = connectTcp(Number(port), hostname);
  await once(idle, "connect");
  // Once a later request is answered, the server knows of the connection.
  await ask(curfew.url, "{ __typename }");
  const cut = once(idle, "close");
  await curfew.close();
  await cut;
});

it("a stream of somebody who is not signed in is told too, and keeps no server waiting", async () => {
  await using curfew = await startCurfew({ ...testApp().schema, drainTime: 60_000 });
  await using stream = await openStream(curfew.url, "subscription { heard }");
  expect((await stream.events.next()).data).toEqual({ data: { heard: "ready" } });
  await curfew.close();
  const { data } = await stream.events.next();
  expect(data.errors[0].extensions).toEqual({ code: "SERVICE_RESTART" });
  await stream.ended;
});

it("a request that is slow to be answered is answered", async () => {
  const { schema, open } = testApp();
  await using curfew = await startCurfew({ ...schema, drainTime: 60_000 });
  const { accessToken: token } = await register(curfew.url);
  const answer = ask(curfew.url, "{ slow }", { token });
  await until(() => curfew.connections.size === 1);
  const closed = curfew.close();
  open();
  expect((await answer).data).toEqual({ slow: "done" });
  await closed;
});
