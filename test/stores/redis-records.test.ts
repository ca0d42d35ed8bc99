/** The records of sessions in Redis: what a later version has written stays, and damaged records do no harm. */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Session } from "../../src/session/session.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { channelNames } from "../../src/stores/redis/channel-names.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { commandClient } from "../helpers/adapters.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { distinctSession, lifetimes, network, start } from "../helpers/sessions.ts";

let redis: RedisServer;
let store: RedisSessions;
let client: Awaited<ReturnType<typeof commandClient>>;
beforeAll(async () => {
  redis = await startRedis();
  client = await commandClient(redis.url, 30_000);
  store = new RedisSessions(client, { channelOf: channelNames() });
});
afterAll(async () => {
  await store.close();
  await redis[Symbol.asyncDispose]();
});

const recordOf = (fingerprint: string) => `curfew:session:{${fingerprint}}`;

const numberTexts = ["0", "-0", "1.0", "1e400", "-1E-7", "12345678901234567890", "0.1", "1e5"];

/** JSON values as text, also with spaces and with numbers that no double has. */
const valueText = fc.oneof(
  fc.constantFrom(...numberTexts, "[]", "{}", "[ ]", "{ }", "[[[{}]]]", '"\\u0041\\/\\""', "null"),
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.jsonValue().map((value) => JSON.stringify(value, null, 2)),
);

const known = new Set<string>(Object.keys(distinctSession()));

const unknownMembers = fc
  .dictionary(fc.string({ unit: "grapheme" }), valueText, { maxKeys: 6 })
  .map((members) => Object.entries(members).filter(([name]) => !known.has(name)))
  .map((members) => members.map(([name, text]) => [JSON.stringify(name), text] as const));

interface Given {
  readonly unknown: readonly (readonly [name: string, text: string])[];
  readonly space: string;
  /** Where in the record the unknown members begin. */
  readonly position: number;
}

const given: fc.Arbitrary<Given> = fc.record({
  unknown: unknownMembers,
  space: fc.constantFrom("", " ", "\n\t"),
  position: fc.nat(17),
});

function recordText(session: Session, { unknown, space, position }: Given): string {
  const members = Object.entries(session).map(
    ([name, value]) => [JSON.stringify(name), JSON.stringify(value)] as const,
  );
  members.splice(position, 0, ...unknown);
  const texts = members.map(([name, text]) => `${name}${space}:${space}${text}`);
  return `{${texts.join(`,${space}`)}}`;
}

type Change = (fingerprint: string) => Promise<unknown>;

const renewed = (presented: number, atRead: number, from: string) => (fingerprint: string) =>
  store.renew(
    fingerprint,
    { generation: presented, generationAtRead: atRead, network: from },
    lifetimes,
    start,
  );

/** Changes of a session of generation 7, with what each of them changes. */
const changes: Record<string, { readonly change: Change; readonly result: Partial<Session> }> = {
  touch: {
    change: (fingerprint) => store.touch(fingerprint, start),
    result: { lastSeenAt: start },
  },
  renewal: { change: renewed(7, 7, network), result: { generation: 8, renewedAt: start } },
  "foreign replay": {
    change: renewed(6, 6, "203.0.113.0/24"),
    result: { foreignReplays: 2, foreignReplayGeneration: 7 },
  },
  reissue: {
    change: (fingerprint) => store.reissue(fingerprint, { atLeast: 9, network }, lifetimes, start),
    result: { generation: 10, minGeneration: 10 },
  },
};

describe("a record with members of a later version", () => {
  test.for(Object.entries(changes))("keeps their text through a %s", async ([, one]) => {
    await fc.assert(
      fc.asyncProperty(given, async (record) => {
        const session = { ...distinctSession(), graceEndsAt: start + 60_000, foreignReplays: 1 };
        const { fingerprint } = session;
        const key = recordOf(fingerprint);
        await client.set(key, recordText(session, record), "PX", 600_000);
        await one.change(fingerprint);
        const text = (await client.get(key)) ?? "";
        const after = JSON.parse(text) as Record<string, unknown>;
        for (const [name, value] of record.unknown) expect(text).toContain(`${name}:${value}`);
        expect(after).toMatchObject(one.result);
        expect(Object.keys(after)).toHaveLength(known.size + record.unknown.length);
        expect(await store.read(fingerprint, start)).toMatchObject(one.result);
      }),
      { numRuns: 60 },
    );
  });
});

/** Long enough that a reader that begins again and again would take seconds. */
const size = 256 * 1024;

const record = (change: object = {}) => JSON.stringify({ ...distinctSession(), ...change });

/** Texts that a reader might not end with, or only late. */
const longTexts = {
  "one string": record({ x: "y".repeat(size) }),
  "escapes only": record({ x: "\\".repeat(size / 2) }),
  "quotes only": record({ x: '"'.repeat(size / 2) }),
  "brackets only": `{"x":${"[".repeat(size / 2)}${"]".repeat(size / 2)},${record().slice(1)}`,
  "brackets that do not end": `{"x":${"[{".repeat(size / 2)}`,
  "commas only": `{"x":[${",".repeat(size)}`,
  "a string that does not end": `{"x":"${"y".repeat(size)}`,
  "backslashes at the end": `{"x":"${"\\".repeat(size)}`,
  "many members": `{${Array.from({ length: size / 8 }, (_, i) => `"${i}":0`).join()}}`,
  spaces: `{${" ".repeat(size)}`,
  "a member without a colon": `{"x"${" ".repeat(size)}`,
};

/** How much CPU time Redis took (ms), at best: unlike the elapsed time, it is the same on a busy machine. */
async function costOf(run: () => Promise<unknown>): Promise<number> {
  const cpuTime = async () => {
    const info = await client.info("cpu");
    const seconds = [...info.matchAll(/used_cpu_(?:user|sys)_main_thread:([\d.]+)/g)];
    return seconds.reduce((sum, [, text]) => sum + Number(text), 0) * 1_000;
  };
  const costs: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const before = await cpuTime();
    await run().catch(() => {});
    costs.push((await cpuTime()) - before);
  }
  return Math.min(...costs);
}

const marks = ["{", "}", "[", "]", '"', ":", ",", "\\", " ", "0", "a"];

describe("a record that is not a session", () => {
  const damaged = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.json(),
    fc.nat(400).map((length) => record().slice(0, length)),
    fc.nat(400).map((length) => record().slice(length)),
    fc
      .tuple(fc.nat(500), fc.constantFrom(...marks, "\0"))
      .map(([at, mark]) => record().slice(0, at) + mark + record().slice(at + 1)),
    fc.array(fc.constantFrom(...marks), { maxLength: 40 }).map((text) => text.join("")),
  );

  test("fails a script at once, or is changed as the session that it is", async () => {
    await fc.assert(
      fc.asyncProperty(damaged, async (text) => {
        const key = recordOf("damaged");
        await client.set(key, text);
        for (const { change } of Object.values(changes)) {
          const failure: unknown = await change("damaged").catch((error: unknown) => error);
          const isKnown = !(failure instanceof Error) || failure instanceof StoreUnavailable;
          expect(isKnown, String(failure)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
    expect(await client.ping()).toBe("PONG");
  });

  test.for(Object.entries(longTexts))(
    "holds up Redis for less than 50 ms if it is long: %s",
    async ([, text]) => {
      expect(text.length).toBeGreaterThanOrEqual(size / 2);
      await client.set(recordOf("long"), text);
      expect(await costOf(() => store.touch("long", start))).toBeLessThan(50);
      const end = () => store.end("long", start, { reason: "LOGOUT" });
      expect(await costOf(end)).toBeLessThan(50);
    },
  );
});
