/** A client that floods the server with logins does not delay the logins of clients at other addresses. */
import { expect, it } from "vitest";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { newEmail, password, register, tryLogin } from "../helpers/http.ts";

/** The cheapest valid hash: these tests concern the order of the queue, not the speed of argon2. */
const settings = {
  trustProxy: 1,
  argon2Memory: 7_168,
  argon2Passes: 5,
  maxLoginFailures: 1_000,
} as const;

const attacker = from("192.0.2.1");

function from(address: string) {
  return { "x-forwarded-for": address };
}

/** Registers accounts one after the other, so that none of them is refused. */
async function accounts({ url }: TestCurfew, count: number): Promise<readonly string[]> {
  const emails = Array.from({ length: count }, () => newEmail());
  for (const email of emails) await register(url, email);
  return emails;
}

/** Keeps that many logins in flight until `stop` is called. */
function flood({ url }: TestCurfew, emails: readonly string[], inFlight: number) {
  const stopped = new AbortController();
  let answers = 0;
  const oneAfterTheOther = async (_: unknown, index: number) => {
    while (!stopped.signal.aborted) {
      await tryLogin(url, emails[index % emails.length] ?? "", password, attacker);
      answers += 1;
    }
  };
  const workers = Array.from({ length: inFlight }, oneAfterTheOther);
  return {
    get answers() {
      return answers;
    },
    stop: async () => {
      stopped.abort();
      await Promise.all(workers);
    },
  };
}

/** Logs 25 users in at once, each from an address of their own. Resolves to the results. */
async function loginsOfOthers(curfew: TestCurfew, emails: readonly string[]) {
  return Promise.all(
    emails.map((email, index) =>
      tryLogin(curfew.url, email, password, from(`198.51.100.${index + 1}`)),
    ),
  );
}

it.each([
  ["one account", 1],
  ["thirty accounts", 30],
])(
  "90 logins in flight from one address, on %s, leave room for 25 logins from other addresses",
  async (_what, count) => {
    await using curfew = await startCurfew(settings);
    const people = await accounts(curfew, 25);
    const flooding = flood(curfew, await accounts(curfew, count), 90);
    const first = await loginsOfOthers(curfew, people);
    const second = await loginsOfOthers(curfew, people);
    await flooding.stop();
    expect(flooding.answers).toBeGreaterThan(90);
    expect([...first, ...second]).toEqual(Array.from({ length: 50 }, () => "SignedIn"));
  },
  60_000,
);

it("90 logins in flight on one account leave room for another account at the same address", async () => {
  await using curfew = await startCurfew(settings);
  const [email = "", ...flooded] = await accounts(curfew, 2);
  const flooding = flood(curfew, flooded, 90);
  const outcomes: string[] = [];
  for (let i = 0; i < 5; i += 1)
    outcomes.push(await tryLogin(curfew.url, email, password, attacker));
  await flooding.stop();
  expect(outcomes).toEqual(Array.from({ length: 5 }, () => "SignedIn"));
});
