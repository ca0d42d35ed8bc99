/** The properties of a session under any fault, as checks for any implementation. */
import * as fc from "fast-check";
import { expect } from "vitest";
import type { Session as ClientSession } from "../../src/client/types.ts";
import { prompt, FakeNetwork, type Delivery, type FakeNetworkOptions } from "./fake-network.ts";

const second = 1_000;
const minute = 60 * second;

type CreateSession = FakeNetworkOptions["createSession"];

/** Both directions together take less than the timeout of a renewal. */
const delay = fc.integer({ min: 0, max: 1_400 });
const answered: fc.Arbitrary<Delivery> = fc.record({
  type: fc.constant("delivered"),
  there: delay,
  back: delay,
});
/** The server executes none of these. */
const requestFails: fc.Arbitrary<Delivery> = fc.constantFrom<Delivery>(
  { type: "requestLost" },
  { type: "requestHangs" },
  { type: "status503" },
  { type: "unavailable" },
  { type: "throttled" },
);
/** The server executes these, and the response is lost. */
const responseFails: fc.Arbitrary<Delivery> = fc.constantFrom<Delivery>(
  { type: "responseLost" },
  { type: "responseHangs" },
);

/** Fails up to three times in a row, but never loses two responses in a row: the grace period covers only one. */
const recoverable = fc
  .array(
    fc.tuple(
      fc.array(requestFails, { maxLength: 3 }),
      fc.oneof(
        answered.map((delivery) => [delivery]),
        responseFails.map((delivery) => [delivery, prompt]),
      ),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.flat(2));

const anything = fc.array(fc.oneof(answered, requestFails, responseFails), { maxLength: 60 });

type Action =
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
const actionsWith = (...more: fc.Arbitrary<Action>[]): fc.Arbitrary<readonly Action[]> =>
  fc.array(fc.oneof({ weight: 3, arbitrary: pass }, { weight: 5, arbitrary: use }, ...more), {
    minLength: 5,
    maxLength: 25,
  });

const end = fc.constant<Action>({ type: "end" });
const quietHours: readonly Action[] = [{ type: "pass", time: 4 * 60 * minute }];

interface Scenario {
  readonly deliveries: readonly Delivery[];
  readonly actions: readonly Action[];
  readonly tabs: number;
}

/** Runs the actions, and calls `check` after each. */
async function runScenario(
  createSession: CreateSession,
  { deliveries, actions, tabs }: Scenario,
  check: Check,
  replacements: FakeNetworkOptions["replacements"] = {},
): Promise<void> {
  await using network = new FakeNetwork({
    createSession,
    deliveries: [prompt, ...deliveries],
    replacements,
  });
  for (let i = 0; i < tabs; i += 1) network.open();
  await network.pass(200);
  const sessionId = await network.login(tabAt(network, 0));
  for (const action of actions) {
    await perform(network, action, sessionId);
    check(network);
  }
}

function tabAt(network: FakeNetwork, index: number): ClientSession {
  const session = network.tabs[index % network.tabs.length];
  if (session === undefined) throw new Error("No tab");
  return session;
}

async function perform(network: FakeNetwork, action: Action, sessionId: string): Promise<void> {
  switch (action.type) {
    case "pass":
      return network.pass(action.time);
    case "sleep":
      return network.sleep(action.time);
    case "setClock":
      network.skew = action.skew;
      return undefined;
    case "end":
      return void (await network.sessions.end(sessionId, "ENDED_BY_USER"));
    case "changePassword": {
      const accesses = network.tabs.map(async (user) => ({ user, access: await user.access() }));
      await network.pass(2 * minute);
      const change = watchedOutcome(tabAt(network, action.tab).changePassword(passwords));
      await network.pass(action.closeAfter);
      // The sockets of all tabs close with 4403, possibly before the response arrives.
      for (const { user, access } of await Promise.all(accesses))
        if (access !== undefined) user.refused(access, undefined);
      await network.pass(2 * minute);
      expect(change.value).not.toBe("pending");
      return;
    }
    case "reload": {
      if (network.tabs.length === 1) return undefined;
      const index = action.tab % network.tabs.length;
      network.tabs.splice(index, 1)[0]?.dispose();
      network.open();
      return network.pass(200);
    }
    case "use": {
      // Half of the time all tabs at once, as after a wake.
      const users = action.tab % 2 === 0 ? [tabAt(network, action.tab)] : network.tabs;
      const outcomes = await Promise.all(users.map((user) => watchAccessToken(network, user)));
      await network.pass(2 * minute);
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

/** Checks the token at the moment that the session returns it. */
async function watchAccessToken(
  network: FakeNetwork,
  user: ClientSession,
): Promise<{ value: unknown }> {
  const outcome: { value: unknown } = { value: "pending" };
  user.accessToken().then(
    (token) => {
      outcome.value = token;
      if (token !== undefined && !network.isValid(token))
        network.violations.push(`${token} had expired`);
    },
    (error: unknown) => (outcome.value = error),
  );
  return outcome;
}

type Check = (network: FakeNetwork) => void;
type Property = [
  arbitraries: [
    deliveries: fc.Arbitrary<readonly Delivery[]>,
    actions: fc.Arbitrary<readonly Action[]>,
  ],
  check: Check,
  replacements?: FakeNetworkOptions["replacements"],
];

/** Rejects if the property does not hold, with one to four tabs. */
export function assertProperty(
  name: Name,
  createSession: CreateSession,
  parameters: { readonly endOnFailure?: boolean; readonly numRuns?: number } = {},
): Promise<void> {
  const [[arbitraryDeliveries, arbitraryActions], check, replacements]: Property = properties[name];
  const tabs = fc.integer({ min: 1, max: 4 });
  const property = fc.asyncProperty(
    arbitraryDeliveries,
    arbitraryActions,
    tabs,
    (deliveries, actions, count) =>
      runScenario(createSession, { deliveries, actions, tabs: count }, check, replacements),
  );
  return fc.assert(property, { numRuns: 150, ...parameters });
}

const allSignedIn: Check = ({ tabs }) => {
  for (const { state } of tabs) expect(state.status).toBe("signedIn");
};

export const properties = {
  "keeps all tabs signed in when the password is changed in one": [
    [fc.array(answered, { maxLength: 60 }), actionsWith(sleep, changePassword)],
    allSignedIn,
  ],
  "keeps all tabs signed in when the password is changed in one, without locks": [
    [fc.array(answered, { maxLength: 60 }), actionsWith(sleep, changePassword)],
    allSignedIn,
    { locks: undefined },
  ],
  "never has two renewals in flight across all tabs": [
    [anything, actionsWith(sleep, setClock, reload)],
    ({ maxInFlight }) => expect(maxInFlight).toBeLessThanOrEqual(1),
  ],
  "never returns an expired token after the machine slept": [
    [anything, actionsWith(sleep, reload)],
    ({ violations }) => expect(violations).toEqual([]),
  ],
  "never returns an expired token after the clock was set": [
    [anything, actionsWith(setClock, reload)],
    ({ violations }) => expect(violations).toEqual([]),
  ],
  "is signed out only by a refusal": [
    [anything, actionsWith(sleep, setClock, reload, end)],
    ({ tabs, refusals }) => {
      const isOut = tabs.some(({ state }) => state.status === "signedOut");
      if (isOut) expect(refusals).not.toEqual([]);
    },
  ],
  "survives short outages and single lost responses": [
    [recoverable, actionsWith()],
    ({ tabs, refusals }) => {
      expect(refusals).toEqual([]);
      for (const { state } of tabs) expect(state.status).toBe("signedIn");
    },
  ],
  "renews once per period across all tabs": [
    [fc.constant([]), fc.constant(quietHours)],
    // In four hours, with a period of at least 21 of 30 minutes.
    ({ renewals }) => expect(renewals).toBeLessThanOrEqual(12),
  ],
} satisfies Record<string, Property>;

export type Name = keyof typeof properties;
