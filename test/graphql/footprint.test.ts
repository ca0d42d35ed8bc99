/** The memory charge of an operation compared with its heap use. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { MemoryLedger } from "../../src/connections/memory-ledger.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

afterEach(() => vi.restoreAllMocks());

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const gate = Promise.withResolvers<number>();

const app: CurfewOptions = {
  typeDefs: `
    scalar JSON
    type Query { wait(filter: JSON): Int @authenticated }
    type Subscription { silent(filter: JSON): Silent! @authenticated }
    type Silent { a: Int }
  `,
  resolvers: {
    Query: { wait: () => gate.promise },
    Subscription: {
      silent: { subscribe: (_parent, _args, { events }) => events.subscribe("silence") },
    },
  },
  maxMemoryPerSession: 1_000_000_000,
  maxMessageSize: 1_000_000,
};

async function heap(): Promise<number> {
  for (let i = 0; i < 3; i += 1) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage().heapUsed;
}

interface Input {
  readonly query: string;
  readonly variables?: unknown;
}

/** Documents of a longer text are not cached. */
const long = `#${"x".repeat(4_096)}\n`;
const subscribing = "subscription ($filter: JSON) { silent(filter: $filter) { a } }";
const fields = (i: number) => Array.from({ length: 400 }, (_, n) => `field${i}x${n}: a`).join(" ");
const nested = (depth: number): string => (depth === 0 ? "a" : `... { ${nested(depth - 1)} }`);

const inputs: Record<string, (i: number) => Input> = {
  "that is small": () => ({ query: "subscription { silent { a } }" }),
  "with many fields": (i) => ({
    query: `${long} subscription { silent { a ${"a ".repeat(i)} ${"a ".repeat(230)} } }`,
  }),
  "with many inline fragments": (i) => ({
    query: `${long} subscription { silent { ${nested(300 + i)} } }`,
  }),
  "with a long text": (i) => ({
    query: subscribing,
    variables: { filter: "x".repeat(200_000 + i) },
  }),
  "with a long text of wide characters": (i) => ({
    query: subscribing,
    variables: { filter: "ж".repeat(100_000 + i) },
  }),
  "with many small objects": (i) => ({
    query: subscribing,
    variables: {
      filter: Array.from({ length: 2_000 }, (_, n) => ({ id: n + i, name: `${n}-${i}` })),
    },
  }),
  "with many empty arrays": (i) => ({
    query: subscribing,
    variables: { filter: Array.from({ length: 20_000 + i }, () => []) },
  }),
  "with many names": (i) => ({
    query: subscribing,
    variables: {
      filter: Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`n${i}_${n}`, n])),
    },
  }),
  "with the fields that nodes of a document have": (i) => ({
    query: subscribing,
    variables: {
      filter: { kind: "x".repeat(100_000 + i), loc: { kind: [`${i}`.repeat(50_000)] } },
    },
  }),
  "with a document of which it executes little": (i) => ({
    query: `subscription Wanted { silent { a } } ${Array.from({ length: 400 }, (_, n) => `query Q${n}x${i} { wait }`).join(" ")}`,
  }),
  "with variables that it does not declare": (i) => ({
    query: "subscription { silent { a } }",
    variables: { other: fields(i).repeat(10) },
  }),
};

inputs["that is a query, with its locations"] = (i) => ({
  query: `${long} { wait ${"wait ".repeat(230 + i)} }`,
});

describe("the memory charge of an operation is within a factor of two of its heap use", () => {
  it.each(Object.entries(inputs))("%s", async (_, input) => {
    await using curfew = await startCurfew(app);
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    const charges = vi.spyOn(MemoryLedger.prototype, "operation");
    const count = 50;
    const subscribe = async (from: number, to: number) => {
      const before = charges.mock.calls.length;
      for (let i = from; i < to; i += 1)
        socket.send({
          id: `${i}`,
          type: "subscribe",
          payload: { operationName: named(input(i)), ...input(i) },
        });
      await until(
        () => charges.mock.calls.length === before + to - from,
        "all to be charged",
        20_000,
      );
    };
    await subscribe(0, 10);
    // The memory of cached documents is not charged to an operation.
    const before = await heap();
    charges.mockClear();
    await subscribe(10, 10 + count);
    const charged = charges.mock.calls.reduce((sum, [, bytes]) => sum + bytes, 0);
    charges.mockClear();
    const taken = (await heap()) - before;
    expect(charged).toBeGreaterThan(taken / 2);
    expect(charged).toBeLessThan(taken * 2);
    expect(socket.messages.pending).toEqual([]);
  });
});

function named({ query }: Input): string | null {
  return query.includes("Wanted") ? "Wanted" : null;
}
