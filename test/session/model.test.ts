import { DatabaseSync } from "node:sqlite";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, test } from "vitest";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import { commandClient } from "../helpers/adapters.ts";
import { startRedis } from "../helpers/redis.ts";
import { day, minute, second } from "../helpers/domain.ts";
import { World, type Moment, type Step } from "./model/world.ts";

const user = fc.constantFrom<"ada" | "bob">("ada", "bob");
const session = fc.nat({ max: 30 });
const age = fc.constantFrom(0, 0, 1, 1, 2);
const token = fc.nat({ max: 60 });
const time = fc.oneof(fc.constantFrom(1, second, minute), fc.nat({ max: 100 * day }));
const moment = fc.constantFrom<Moment>(
  "graceEndsAt",
  "graceEndsAt",
  "accessExpiresAt",
  "idleExpiresAt",
);
const early = fc.constantFrom<0 | 1>(0, 1);

const step: fc.Arbitrary<Step> = fc.oneof(
  weighted(2, "login", fc.record({ user })),
  weighted(3, "renew", fc.record({ token })),
  weighted(8, "renewOf", fc.record({ session, age })),
  weighted(1, "renewAtOnce", fc.record({ token })),
  weighted(1, "reissue", fc.record({ token })),
  weighted(1, "logout", fc.record({ token })),
  weighted(1, "end", fc.record({ user, session })),
  weighted(1, "endOthers", fc.record({ session })),
  weighted(1, "wait", fc.record({ time })),
  weighted(4, "waitFor", fc.record({ session, moment, early })),
  weighted(1, "addKey", fc.record({})),
  weighted(1, "dropKey", fc.record({})),
);

function weighted<Do extends Step["do"], T extends object>(
  weight: number,
  act: Do,
  details: fc.Arbitrary<T>,
) {
  return { weight, arbitrary: details.map((rest) => ({ do: act, ...rest })) };
}

const disposals = new AsyncDisposableStack();
afterAll(() => disposals.disposeAsync());

const stores = {
  SQLite: {
    runs: 400,
    clockTolerance: 0,
    open: async () => new SqliteSessions(disposals.use(new DatabaseSync(":memory:"))),
  },
  Redis: {
    runs: 150,
    // Unequal to any sum of the waits above.
    clockTolerance: 2_700,
    open: async () => {
      const redis = disposals.use(await startRedis());
      const store = new RedisSessions(await commandClient(redis.url, 5_000));
      disposals.defer(() => store.close());
      return store;
    },
  },
};

describe.each(Object.entries(stores))("sessions in %s", (_, { runs, clockTolerance, open }) => {
  let store: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    store = await open();
  });

  test("behave like the reference model in random sequences of steps", () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
        const world = new World(store, clockTolerance);
        for (const one of steps) {
          await world.do(one);
          await world.check();
        }
      }),
      { numRuns: runs },
    ));
});
