/** What a session keeps to whatever happens, as properties that any implementation of it can be held to. */
import * as fc from "fast-check";
import { expect } from "vitest";
import type { Session as ClientSession } from "../../src/client/types.ts";
import { prompt, World, type Fate, type WorldOptions } from "./fake-network.ts";

const second = 1_000;
const minute = 60 * second;

type Create = WorldOptions["createSession"];

/** There and back it takes less than a renewal is given. */
const delay = fc.integer({ min: 0, max: 1_400 });
const answered: fc.Arbitrary<Fate> = fc.record({
  type: fc.constant("answered"),
  there: delay,
  back: delay,
});
/** Of these none is done by the server. */
const notDone: fc.Arbitrary<Fate> = fc.constantFrom<Fate>(
  { type: "lost" },
  { type: "swallowed" },
  { type: "status503" },
  { type: "unavailable" },
  { type: "throttled" },
);
const halfDone: fc.Arbitrary<Fate> = fc.constantFrom<Fate>(
  { type: "answerLost" },
  { type: "answerSwallowed" },
);

/** A network that fails up to three times in a row, and loses no two answers in a row: the grace makes up for one. */
const mendable = fc
  .array(
    fc.tuple(
      fc.array(notDone, { maxLength: 3 }),
      fc.oneof(
        answered.map((fate) => [fate]),
        halfDone.map((fate) => [fate, prompt]),
      ),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.flat(2));

const anything = fc.array(fc.oneof(answered, notDone, halfDone), { maxLength: 60 });

type Act =
  | { readonly type: "pass"; readonly time: number }
  | { readonly type: "sleep"; readonly time: number }
  | { readonly type: "use"; readonly tab: number }
  | { readonly type: "setClock"; readonly skew: number }
  | { readonly type: "reload"; readonly tab: number }
  | { readonly type: "changePassword"; readonly tab: number; readonly closeAfter: number }
  | { readonly type: "end" };

const tab = fc.nat({ max: 3 });
const pass = fc.record({
  type: fc.constant("pass"),
  time: fc.oneof(
    fc.integer({ min: 1, max: minute }),
    fc.integer({ min: minute, max: 40 * minute }),
  ),
});
const use = fc.record({ type: fc.constant("use"), tab });
const sleep = fc.record({
  type: fc.constant("sleep"),
  time: fc.integer({ min: second, max: 300 * minute }),
});
const setClock = fc.record({
  type: fc.constant("setClock"),
  skew: fc.integer({ min: -300 * minute, max: 300 * minute }),
});
const reload = fc.record({ type: fc.constant("reload"), tab });
const changePassword = fc.record({
  type: fc.constant("changePassword"),
  tab,
  closeAfter: fc.nat({ max: 3_000 }),
});
const acts = (...more: fc.Arbitrary<Act>[]): fc.Arbitrary<readonly Act[]> =>
  fc.array(fc.oneof({ weight: 3, arbitrary: pass }, { weight: 5, arbitrary: use }, ...more), {
    minLength: 5,
    maxLength: 25,
  });

const end = fc.constant<Act>({ type: "end" });
const quietHours: readonly Act[] = [{ type: "pass", time: 4 * 60 * minute }];

interface Course {
  readonly fates: readonly Fate[];
  readonly acts: readonly Act[];
  readonly tabs: number;
}

/** Plays it; `check` is called after every act. */
async function play(
  createSession: Create,
  { fates, acts: course, tabs }: Course,
  check: Check,
  replacements: WorldOptions["replacements"] = {},
): Promise<void> {
  await using world = new World({ createSession, fates: [prompt, ...fates], replacements });
  for (let i = 0; i < tabs; i += 1) world.open();
  await world.pass(200);
  const sessionId = await world.login(tabAt(world, 0));
  for (const act of course) {
    await perform(world, act, sessionId);
    check(world);
  }
}

function tabAt(world: World, index: number): ClientSession {
  const session = world.tabs[index % world.tabs.length];
  if (session === undefined) throw new Error("No tab");
  return session;
}

async function perform(world: World, act: Act, sessionId: string): Promise<void> {
  switch (act.type) {
    case "pass":
      return world.pass(act.time);
    case "sleep":
      return world.sleep(act.time);
    case "setClock":
      world.skew = act.skew;
      return undefined;
    case "end":
      return void (await world.sessions.end(sessionId, "ENDED_BY_USER"));
    case "changePassword": {
      const accesses = world.tabs.map(async (user) => ({ user, access: await user.access() }));
      await world.pass(2 * minute);
      const change = watchedOutcome(tabAt(world, act.tab).changePassword(passwords));
      await world.pass(act.closeAfter);
      // The sockets of all tabs close with 4403, perhaps before the answer is there.
      for (const { user, access } of await Promise.all(accesses))
        if (access !== undefined) user.refused(access, undefined);
      await world.pass(2 * minute);
      expect(change.value).not.toBe("pending");
      return;
    }
    case "reload": {
      if (world.tabs.length === 1) return undefined;
      const index = act.tab % world.tabs.length;
      world.tabs.splice(index, 1)[0]?.dispose();
      world.open();
      return world.pass(200);
    }
    case "use": {
      // All tabs at once, as after a wake, every other time.
      const users = act.tab % 2 === 0 ? [tabAt(world, act.tab)] : world.tabs;
      const outcomes = await Promise.all(users.map((user) => watched(world, user)));
      await world.pass(2 * minute);
      for (const outcome of outcomes) expect(outcome.value).not.toBe("pending");
    }
  }
}

const passwords = { currentPassword: "one", newPassword: "other" };

function watchedOutcome(promise: Promise<unknown>): { value: unknown } {
  const outcome: { value: unknown } = { value: "pending" };
  promise.then(
    (value) => (outcome.value = value),
    (error: unknown) => (outcome.value = error),
  );
  return outcome;
}

/** What is given out is looked at the moment that it is. */
async function watched(world: World, user: ClientSession): Promise<{ value: unknown }> {
  const outcome: { value: unknown } = { value: "pending" };
  user.accessToken().then(
    (token) => {
      outcome.value = token;
      if (token !== undefined && !world.isValid(token)) world.faults.push(`${token} had run out`);
    },
    (error: unknown) => (outcome.value = error),
  );
  return outcome;
}

type Check = (world: World) => void;
type Property = [
  course: [network: fc.Arbitrary<readonly Fate[]>, user: fc.Arbitrary<readonly Act[]>],
  check: Check,
  replacements?: WorldOptions["replacements"],
];

/** Rejects where it does not hold, on one to four tabs. */
export function hold(
  name: Name,
  createSession: Create,
  parameters: { readonly endOnFailure?: boolean; readonly numRuns?: number } = {},
): Promise<void> {
  const [[network, user], check, replacements]: Property = properties[name];
  const tabs = fc.integer({ min: 1, max: 4 });
  const property = fc.asyncProperty(network, user, tabs, (fates, course, count) =>
    play(createSession, { fates, acts: course, tabs: count }, check, replacements),
  );
  return fc.assert(property, { numRuns: 150, ...parameters });
}

const allSignedIn: Check = ({ tabs }) => {
  for (const { state } of tabs) expect(state.status).toBe("signedIn");
};

export const properties = {
  "keeps all tabs signed in when the password is changed in one": [
    [fc.array(answered, { maxLength: 60 }), acts(sleep, changePassword)],
    allSignedIn,
  ],
  "keeps all tabs signed in when the password is changed in one, without locks": [
    [fc.array(answered, { maxLength: 60 }), acts(sleep, changePassword)],
    allSignedIn,
    { locks: undefined },
  ],
  "never has two renewals in flight, over all tabs": [
    [anything, acts(sleep, setClock, reload)],
    ({ mostAtOnce }) => expect(mostAtOnce).toBeLessThanOrEqual(1),
  ],
  "never gives out a token that has run out, though the machine sleeps": [
    [anything, acts(sleep, reload)],
    ({ faults }) => expect(faults).toEqual([]),
  ],
  "never gives out a token that has run out, though the clock is set": [
    [anything, acts(setClock, reload)],
    ({ faults }) => expect(faults).toEqual([]),
  ],
  "is never signed out but by a refusal": [
    [anything, acts(sleep, setClock, reload, end)],
    ({ tabs, refusals }) => {
      const isOut = tabs.some(({ state }) => state.status === "signedOut");
      if (isOut) expect(refusals).not.toEqual([]);
    },
  ],
  "keeps its session through short outages, and through answers that are lost one at a time": [
    [mendable, acts()],
    ({ tabs, refusals }) => {
      expect(refusals).toEqual([]);
      for (const { state } of tabs) expect(state.status).toBe("signedIn");
    },
  ],
  "renews once a period, over all tabs": [
    [fc.constant([]), fc.constant(quietHours)],
    // The period is at least 21 of the 30 minutes, in four hours.
    ({ renewals }) => expect(renewals).toBeLessThanOrEqual(12),
  ],
} satisfies Record<string, Property>;

export type Name = keyof typeof properties;
