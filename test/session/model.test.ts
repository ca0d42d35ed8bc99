import { DatabaseSync } from "node:sqlite";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, test } from "vitest";
import { commandClient } from "../../src/stores/redis/client.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import { startRedis } from "../helpers/redis.ts";
import { day, lifetimes, minute, second } from "../helpers/domain.ts";
import { World, type Step } from "./model/world.ts";

const pick = fc.nat({ max: 30 });
const user = fc.constantFrom("ada" as const, "bob" as const);

const { grace, access, renewal } = lifetimes;
const wait = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(1, grace - 1, grace, second, minute) },
  { weight: 2, arbitrary: fc.constantFrom(access - 1, access, renewal - access, renewal) },
  { weight: 1, arbitrary: fc.nat({ max: 100 * day }) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("login" as const), user }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("renewLatest" as const), session: pick }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("renew" as const), token: pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("renewAtOnce" as const), token: pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("rotate" as const), token: pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("logout" as const), token: pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const), user, session: pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("endOthers" as const), session: pick }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), time: wait }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("addKey" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("dropKey" as const) }) },
);

const disposals = new AsyncDisposableStack();
afterAll(() => disposals.disposeAsync());

const stores = {
  SQLite: {
    runs: 400,
    open: async () => new SqliteSessions(disposals.use(new DatabaseSync(":memory:"))),
  },
  Redis: {
    runs: 80,
    open: async () => {
      const redis = disposals.use(await startRedis());
      const store = new RedisSessions(await commandClient(redis.url, 5_000));
      disposals.defer(() => store.close());
      return store;
    },
  },
};

describe.each(Object.entries(stores))("sessions in %s", (_, { runs, open }) => {
  let store: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    store = await open();
  });

  test("do what the model does, whatever happens in whatever order", { timeout: 60_000 }, () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
        const world = new World(store);
        for (const one of steps) {
          await world.do(one);
          await world.check();
        }
      }),
      { numRuns: runs },
    ),
  );
});
