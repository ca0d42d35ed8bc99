/** Limits on the sockets and streams of one client address. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { countedNetworksOf, networkPathOf } from "../../src/lib/client-network.ts";
import { ConnectionLimiter } from "../../src/connections/connection-limiter.ts";
import { rethrowReported } from "../helpers/domain.ts";
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

it("sockets over the limit of an address are closed before the acknowledgement; other addresses are not affected", async () => {
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

it("streams count towards the limit too, signed in or not", async () => {
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

it("one address may have a hundred unauthenticated sockets, and another address is not affected", async () => {
  await using curfew = await startCurfew({ maxSocketsPerAddress: 1_000, trustProxy: 1 });
  const { accessToken: token } = await register(curfew.url);
  await using opened = new AsyncDisposableStack();
  const open = () => opened.use(new TestSocket(curfew.socketUrl, from("192.0.2.1"))).opened();
  const sockets = await Promise.all(Array.from({ length: 100 }, open));
  const next = await open();
  expect(await next.closed).toEqual(tooMany);
  opened.use(await connect(curfew.socketUrl, token, from("192.0.2.2")));

  // After authentication a socket does not count any more.
  sockets[0]?.init({ token });
  expect(await sockets[0]?.messages.next()).toMatchObject({ type: "connection_ack" });
  const { ws } = await open();
  opened.use(await connect(curfew.socketUrl, token, from("192.0.2.2")));
  expect(ws.readyState).toBe(ws.OPEN);
});

it("a connection is released once, however often release is called", () => {
  const places = new ConnectionLimiter({ each: 1, all: 2 });
  const connections = [
    new ConnectionLifecycle(rethrowReported),
    new ConnectionLifecycle(rethrowReported),
    new ConnectionLifecycle(rethrowReported),
  ] as const;
  expect(places.acquire("192.0.2.1", connections[0])).toBe(true);
  expect(places.acquire("192.0.2.1", connections[1])).toBe(false);
  expect(places.acquire("192.0.2.2", connections[1])).toBe(true);
  expect(places.acquire("192.0.2.3", connections[2])).toBe(false);
  places.release("192.0.2.1", connections[0]);
  places.release("192.0.2.1", connections[0]);
  expect(places.acquire("192.0.2.3", connections[2])).toBe(true);
  expect(places.acquire("192.0.2.1", connections[0])).toBe(false);
  places.release("192.0.2.2", connections[1]);
  expect(places.acquire("192.0.2.1", connections[0])).toBe(true);
});

/** A connection that records its close reason. */
function newLife() {
  return new ConnectionLifecycle(rethrowReported);
}

describe("a limiter with displacement", () => {
  it("displaces the oldest connection of the network with the most connections", () => {
    const places = new ConnectionLimiter({ each: 10, all: 4, displaces: true });
    const connections = [newLife(), newLife(), newLife(), newLife()] as const;
    places.acquire("192.0.2.1", connections[0]);
    places.acquire("192.0.2.2", connections[1]);
    places.acquire("192.0.2.2", connections[2]);
    places.acquire("192.0.2.3", connections[3]);
    expect(places.acquire("192.0.2.4", newLife())).toBe(true);
    expect(connections.map(({ closeReason: ending }) => ending)).toEqual([
      undefined,
      "TOO_MANY_CONNECTIONS",
      undefined,
      undefined,
    ]);
    // Every network has one now: the oldest of all is displaced.
    expect(places.acquire("192.0.2.5", newLife())).toBe(true);
    expect(connections[0].closeReason).toBe("TOO_MANY_CONNECTIONS");
  });

  it("does not displace protected connections", () => {
    const places = new ConnectionLimiter({ each: 10, all: 2, displaces: true });
    const [first, second] = [newLife(), newLife()];
    places.acquire("192.0.2.1", first);
    places.acquire("192.0.2.1", second);
    places.protect("192.0.2.1", first);
    expect(places.acquire("192.0.2.2", newLife())).toBe(true);
    expect([first.closeReason, second.closeReason]).toEqual([undefined, "TOO_MANY_CONNECTIONS"]);
    places.protect("192.0.2.1", second);
    expect(places.acquire("192.0.2.2", newLife())).toBe(true);
  });

  it("displaces no connection for an address that has reached its own limit", () => {
    const places = new ConnectionLimiter({ each: 1, all: 2, displaces: true });
    const connections = [newLife(), newLife()] as const;
    places.acquire("192.0.2.1", connections[0]);
    places.acquire("192.0.2.2", connections[1]);
    expect(places.acquire("192.0.2.1", newLife())).toBe(false);
    expect(connections.map(({ closeReason: ending }) => ending)).toEqual([undefined, undefined]);
  });
});

it("wider IPv6 networks have four and sixteen times the limit of an address, and at most half of the total", () => {
  const open = (places: ConnectionLimiter, addressOf: (i: number) => string) =>
    Array.from({ length: 40 }, (_, i) => places.acquire(addressOf(i), newLife())).filter(Boolean);
  const in56 = (i: number) => `2001:db8:1:1${i.toString(16).padStart(2, "0")}::1`;
  const in48 = (i: number) => `2001:db8:1:${i.toString(16)}00::1`;
  expect(open(new ConnectionLimiter({ each: 2 }), in56)).toHaveLength(8);
  expect(open(new ConnectionLimiter({ each: 2 }), in48)).toHaveLength(32);
  expect(open(new ConnectionLimiter({ each: 2, all: 20 }), in48)).toHaveLength(10);
  expect(open(new ConnectionLimiter({ each: 2 }), (i) => `192.0.2.${i}`)).toHaveLength(40);
});

const addresses = fc.constantFrom(
  "192.0.2.1",
  "192.0.2.2",
  "2001:db8:1:100::1",
  "2001:db8:1:101::1",
  "2001:db8:1:200::1",
  "2001:db8:2:100::1",
  null,
);
const acts = fc.array(
  fc.record({
    address: addresses,
    act: fc.constantFrom("take", "take", "take", "leave", "hold"),
    which: fc.nat({ max: 30 }),
  }),
  { maxLength: 60 },
);

it("in any order of calls, no limit is exceeded, protected connections stay, and a network below its limits is admitted", () => {
  const limits = { each: 2, all: 6 };
  fc.assert(
    fc.property(acts, (sequence) => {
      const places = new ConnectionLimiter({ ...limits, displaces: true });
      const all: {
        lifecycle: ConnectionLifecycle;
        address: string | null;
        held: boolean;
        left: boolean;
      }[] = [];
      const open = () =>
        all.filter(({ lifecycle, left }) => !left && lifecycle.closeReason === undefined);
      const count = (network: string) =>
        open().filter(({ address }) => networkPathOf(address).includes(network)).length;
      const limitOf = (share: number) => (share === 1 ? limits.each : limits.all / 2);
      for (const { address, act, which } of sequence) {
        const one = all[which];
        if (act === "take") {
          const isBelow = countedNetworksOf(address).every(
            ({ name, share }) => count(name) < limitOf(share),
          );
          const hasRoom = open().length < limits.all || open().some(({ held }) => !held);
          const lifecycle = newLife();
          expect(places.acquire(address, lifecycle)).toBe(isBelow && hasRoom);
          if (isBelow && hasRoom) all.push({ lifecycle, address, held: false, left: false });
        } else if (one !== undefined && act === "leave") {
          places.release(one.address, one.lifecycle);
          one.left = true;
        } else if (one !== undefined) {
          places.protect(one.address, one.lifecycle);
          one.held ||= one.lifecycle.closeReason === undefined;
        }
        expect(open().length).toBeLessThanOrEqual(limits.all);
        for (const { name, share } of all.flatMap((each) => countedNetworksOf(each.address)))
          expect(count(name)).toBeLessThanOrEqual(limitOf(share));
        expect(
          all.filter(({ held, lifecycle }) => held && lifecycle.closeReason !== undefined),
        ).toEqual([]);
      }
    }),
    { numRuns: 30 },
  );
});
