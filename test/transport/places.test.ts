/** One address has some places for sockets and streams, and leaves the others to others. */
import { expect, it } from "vitest";
import { Life } from "../../src/session/life.ts";
import { Places } from "../../src/transport/places.ts";
import { raiseFault } from "../helpers/domain.ts";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";

const tooMany = { code: 1013, reason: "TOO_MANY_CONNECTIONS" };

function from(address: string) {
  return { headers: { "x-forwarded-for": address } };
}

it("sockets over the places of an address are closed before the acknowledgement; others are let in", async () => {
  await using curfew = await startCurfew({ maxSocketsPerAddress: 2, trustProxy: 1 });
  const { accessToken: token } = await register(curfew.url);
  await using opened = new AsyncDisposableStack();
  await using first = await connect(curfew.socketUrl, token, from("2001:db8:1:2::1"));
  opened.use(await connect(curfew.socketUrl, token, from("2001:db8:1:2::2")));
  await using third = new TestSocket(curfew.socketUrl, from("2001:db8:1:2::3"));
  expect(await third.closed).toEqual(tooMany);
  expect(third.messages.pending).toEqual([]);
  const line = { transport: "socket", reason: "TOO_MANY_CONNECTIONS", address: "2001:db8:1:2::3" };
  expect(curfew.log.filter(({ event }) => event === "refused")).toMatchObject([line]);

  opened.use(await connect(curfew.socketUrl, token, from("2001:db8:1:3::1")));
  first.ws.close();
  await until(() => curfew.connections.size === 2);
  opened.use(await connect(curfew.socketUrl, token, from("2001:db8:1:2::3")));
});

it("streams take places too, signed in or not", async () => {
  await using curfew = await startCurfew({ ...testApp().schema, maxSocketsPerAddress: 2 });
  const { accessToken: token } = await register(curfew.url);
  await using opened = new AsyncDisposableStack();
  opened.use(await connect(curfew.socketUrl, token));
  const heard = "subscription { heard }";
  await using stream = await openStream(curfew.url, heard);
  await stream.events.next();
  for (const headers of [{}, { authorization: token }]) {
    const refused = await fetch(`${curfew.url}?query=${encodeURIComponent(heard)}`, {
      headers: { accept: "text/event-stream", ...headers },
    });
    expect(await refused.text()).toContain('"code":"TOO_MANY_CONNECTIONS"');
  }
});

it("of the sockets that nobody has signed in on an address has a hundred, and the next has room", async () => {
  await using curfew = await startCurfew({ maxSocketsPerAddress: 1_000, trustProxy: 1 });
  const { accessToken: token } = await register(curfew.url);
  await using opened = new AsyncDisposableStack();
  const open = () => opened.use(new TestSocket(curfew.socketUrl, from("192.0.2.1"))).opened();
  const sockets = await Promise.all(Array.from({ length: 100 }, open));
  const next = await open();
  expect(await next.closed).toEqual(tooMany);
  opened.use(await connect(curfew.socketUrl, token, from("192.0.2.2")));

  // Who signs in is no stranger any more.
  sockets[0]?.init({ token });
  expect(await sockets[0]?.messages.next()).toMatchObject({ type: "connection_ack" });
  const { ws } = await open();
  opened.use(await connect(curfew.socketUrl, token, from("192.0.2.2")));
  expect(ws.readyState).toBe(ws.OPEN);
});

it("places are given back once, however often", () => {
  const places = new Places({ each: 1, all: 2 });
  const lives = [new Life(raiseFault), new Life(raiseFault), new Life(raiseFault)] as const;
  expect(places.take("192.0.2.1", lives[0])).toBe(true);
  expect(places.take("192.0.2.1", lives[1])).toBe(false);
  expect(places.take("192.0.2.2", lives[1])).toBe(true);
  expect(places.take("192.0.2.3", lives[2])).toBe(false);
  places.leave("192.0.2.1", lives[0]);
  places.leave("192.0.2.1", lives[0]);
  expect(places.take("192.0.2.3", lives[2])).toBe(true);
  expect(places.take("192.0.2.1", lives[0])).toBe(false);
  places.leave("192.0.2.2", lives[1]);
  expect(places.take("192.0.2.1", lives[0])).toBe(true);
});
