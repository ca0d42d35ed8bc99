/** Property tests of connections under any order of events: none outlives its session or leaves anything behind. */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { scheduledNode, type Safeguards } from "../helpers/scheduled.ts";
import { lifetimes } from "../helpers/sessions.ts";

const runs = 300;
const sessions = 2;
const session = fc.nat({ max: sessions - 1 });

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("connect" as const), of: session }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("disconnect" as const), of: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("end" as const), of: session }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("endHere" as const), of: session }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("renew" as const), of: session }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("recheck" as const), of: session }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("advance" as const),
      of: fc.constantFrom(1_000, lifetimes.access / 2, lifetimes.access),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Runs the steps; the scheduler decides which responses arrive in between. */
async function live(scheduler: fc.Scheduler, steps: readonly Step[], safeguards?: Safeguards) {
  const node = await scheduledNode(scheduler, sessions, safeguards);
  const begun: Promise<unknown>[] = [];
  scheduler.scheduleSequence(
    steps.map((one) => ({
      label: JSON.stringify(one),
      builder: async () => void begun.push(Promise.resolve(node[one.do](one.of))),
    })),
  );
  await scheduler.waitIdle();
  await Promise.all(begun);
  await scheduler.waitIdle();
  return node;
}

/** Makes no recheck: a connection that is wrongly left open would stay open until one. */
async function expectNoneOutlives(node: Awaited<ReturnType<typeof live>>) {
  const { clock, store, open } = node;
  for (const { lifecycle, fingerprint } of open) {
    if (lifecycle.closeReason !== undefined) continue;
    const found = await store.read(fingerprint, clock());
    expect(found, "the session of an open connection").toBeDefined();
  }
}

it("no connection of an ended session is open once all messages and responses have arrived", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(step, { maxLength: 20 }),
      async (scheduler, steps) => {
        const node = await live(scheduler, steps);
        await expectNoneOutlives(node);
        expect(node.reportedErrors).toEqual([]);
      },
    ),
    { numRuns: runs },
  );
});

it("no connection is open at the tick after its access expires", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(step, { maxLength: 20 }),
      async (scheduler, steps) => {
        const node = await live(scheduler, steps);
        node.advance(250);
        await scheduler.waitIdle();
        for (const { lifecycle, fingerprint } of node.open) {
          if (lifecycle.closeReason !== undefined) continue;
          const found = await node.store.read(fingerprint, node.clock());
          expect(found?.accessExpiresAt).toBeGreaterThan(node.clock() - 500);
        }
      },
    ),
    { numRuns: runs },
  );
});

it("no subscription and no deadline is left for connections that have closed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(step, { maxLength: 20 }),
      async (scheduler, steps) => {
        const node = await live(scheduler, steps);
        const { pubsub, deadlines, connections, open } = node;
        const fingerprints = new Set(
          open
            .filter(({ lifecycle }) => lifecycle.closeReason === undefined)
            .map((one) => one.fingerprint),
        );
        expect(new Set(connections.fingerprints)).toEqual(fingerprints);
        expect([pubsub.subscriptions, deadlines.size]).toEqual([
          fingerprints.size,
          fingerprints.size,
        ]);
        for (const { lifecycle } of open) lifecycle.end("CLIENT_GONE");
        await scheduler.waitIdle();
        expect([pubsub.subscriptions, deadlines.size, connections.size]).toEqual([0, 0, 0]);
      },
    ),
    { numRuns: runs },
  );
});

it("connections outlive their session if the subscription's confirmation is not awaited", async () => {
  const property = fc.asyncProperty(
    fc.scheduler(),
    fc.array(step, { maxLength: 20 }),
    async (scheduler, steps) => {
      await expectNoneOutlives(await live(scheduler, steps, { acknowledgement: false }));
    },
  );
  const { failed } = await fc.check(property, { numRuns: 5_000, endOnFailure: true });
  expect(failed).toBe(true);
});
