/** Rate limits of password guesses, bulk registrations and renewals. They count fields, not requests. */
import { setTimeout as pause } from "node:timers/promises";
import { verify } from "@node-rs/argon2";
import { describe, expect, it, vi } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import {
  ask,
  askData,
  login,
  logout,
  newEmail,
  password,
  register,
  renew,
} from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";

// The real argon2, with its calls counted.
vi.mock("@node-rs/argon2", { spy: true });

/** The number of verifications by argon2, for right and wrong passwords and for unknown users. */
function countVerifications(): () => number {
  const { calls } = vi.mocked(verify).mock;
  const before = calls.length;
  return () => calls.length - before;
}

const outcome = "kind: __typename ... on TooManyAttempts { message retryAfterSeconds }";

function logins(count: number, email: string, word = "wrong password"): string {
  const field = (_: unknown, i: number) =>
    `a${i}: login(email: "${email}", password: "${word}") { ${outcome} }`;
  return `mutation { ${Array.from({ length: count }, field).join(" ")} }`;
}

async function guess(url: string, email: string, headers: Record<string, string> = {}) {
  const data = await askData(url, logins(1, email), { headers });
  return data.a0 as { kind: string; retryAfterSeconds?: number };
}

describe("a password", () => {
  it("is verified for no more of two hundred aliases in one request than may fail", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 10, maxQueryAliases: 400 });
    const email = newEmail();
    await register(curfew.url, email);
    const verifications = countVerifications();
    const data = await askData(curfew.url, logins(200, email));
    expect(verifications()).toBe(10);
    const kinds = Object.values<{ kind: string }>(data).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "InvalidCredentials")).toHaveLength(10);
    expect(kinds.filter((kind) => kind === "TooManyAttempts")).toHaveLength(190);
  });

  it("is verified for no more of two hundred concurrent requests than may fail", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 10 });
    const email = newEmail();
    const verifications = countVerifications();
    const guesses = await Promise.all(Array.from({ length: 200 }, () => guess(curfew.url, email)));
    expect(verifications()).toBe(10);
    expect(guesses.filter(({ kind }) => kind === "InvalidCredentials")).toHaveLength(10);
  });

  it("is not verified for an array of requests, which is refused", async () => {
    await using curfew = await startCurfew();
    const verifications = countVerifications();
    const query = logins(1, newEmail());
    const response = await fetch(curfew.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(Array.from({ length: 200 }, () => ({ query }))),
    });
    expect(response.status).toBe(400);
    expect(verifications()).toBe(0);
  });

  it("is counted on a socket as over HTTP", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 2 });
    const { accessToken } = await register(curfew.url);
    const email = newEmail();
    await guess(curfew.url, email);
    await using socket = await connect(curfew.socketUrl, accessToken);
    socket.subscribe("1", logins(2, email));
    const { payload } = await socket.messages.next();
    expect(payload.data).toMatchObject({
      a0: { kind: "InvalidCredentials" },
      a1: { kind: "TooManyAttempts" },
    });
  });

  it("that is right is accepted after retryAfterSeconds", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 2, attemptWindow: 5000 });
    const email = newEmail();
    await register(curfew.url, email);
    await ask(curfew.url, logins(2, email));
    const data = await askData(curfew.url, logins(1, email, password));
    expect(data.a0).toEqual({
      kind: "TooManyAttempts",
      message: expect.stringMatching(/^Too many attempts; try again in (a second|\d seconds)\.$/),
      retryAfterSeconds: expect.toBeOneOf([1, 2, 3, 4, 5]),
    });
    await pause(data.a0.retryAfterSeconds * 1000);
    expect(await login(curfew.url, email)).toMatchObject({ userId: expect.any(String) });
  });

  it("that is right in forty concurrent logins is accepted, or refused with a retry after one second", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 10 });
    const email = newEmail();
    await register(curfew.url, email);
    const once = () => ask(curfew.url, logins(1, email, password));
    const answers = await Promise.all(Array.from({ length: 40 }, once));
    const outcomes = answers.map(({ data }) => data.a0);
    const refused = outcomes.filter(({ kind }) => kind !== "SignedIn");
    expect(outcomes.length - refused.length).toBeGreaterThanOrEqual(10);
    for (const one of refused)
      expect(one).toMatchObject({ kind: "TooManyAttempts", retryAfterSeconds: 1 });
    expect((await once()).data.a0.kind).toBe("SignedIn");
  });

  it("that is right is accepted up to the limit of one address, and still accepted from another", async () => {
    await using curfew = await startCurfew({ maxLoginsPerAccount: 2, trustProxy: 1 });
    const email = newEmail();
    await register(curfew.url, email);
    const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
    const once = async (address: string) =>
      (await ask(curfew.url, logins(1, email, password), from(address))).data.a0;
    for (let i = 0; i < 2; i += 1) expect((await once("192.0.2.1")).kind).toBe("SignedIn");
    const refused = await once("192.0.2.1");
    expect(refused.kind).toBe("TooManyAttempts");
    expect(refused.retryAfterSeconds).toBeGreaterThan(800);
    expect((await once("192.0.2.2")).kind).toBe("SignedIn");
  });

  it("that is right resets the count of failures", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 3 });
    const email = newEmail();
    await register(curfew.url, email);
    for (let round = 0; round < 3; round += 1) {
      await ask(curfew.url, logins(2, email));
      await login(curfew.url, email);
    }
    expect((await guess(curfew.url, email)).kind).toBe("InvalidCredentials");
  });

  it("is refused from the guesser's address, and accepted from the owner's", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 2, trustProxy: 1 });
    const email = newEmail();
    await register(curfew.url, email);
    const thief = { "x-forwarded-for": "198.51.100.1" };
    const owner = { "x-forwarded-for": "198.51.100.2" };
    for (let i = 0; i < 2; i += 1) await guess(curfew.url, email, thief);
    expect((await guess(curfew.url, email, thief)).kind).toBe("TooManyAttempts");
    const data = await askData(curfew.url, logins(1, email, password), { headers: owner });
    expect(data.a0.kind).toBe("SignedIn");
  });

  it("is counted by the address of the connection if no proxy is trusted", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 2 });
    const email = newEmail();
    const kinds: string[] = [];
    for (let i = 0; i < 3; i += 1)
      kinds.push((await guess(curfew.url, email, { "x-forwarded-for": `10.0.0.${i}` })).kind);
    expect(kinds).toEqual(["InvalidCredentials", "InvalidCredentials", "TooManyAttempts"]);
  });

  it("can be guessed no more often by changePassword than by login", async () => {
    await using curfew = await startCurfew({ maxLoginFailures: 2 });
    const { accessToken: token } = await register(curfew.url);
    const change = async (current: string) => {
      const query = `mutation ($current: String!) {
        changePassword(currentPassword: $current, newPassword: "another long password") { ${outcome} }
      }`;
      const data = await askData(curfew.url, query, { token, variables: { current } });
      return data.changePassword.kind as string;
    };
    const kinds = [await change("wrong"), await change("wrong"), await change(password)];
    expect(kinds).toEqual(["InvalidCredentials", "InvalidCredentials", "TooManyAttempts"]);
  });
});

describe("accounts", () => {
  it("are registered or found taken from one address up to the limit", async () => {
    await using curfew = await startCurfew({ maxRegistrationsPerAddress: 2, trustProxy: 1 });
    const make = async (email: string, word = password, from = "198.51.100.1") => {
      const query = `mutation { register(email: "${email}", password: "${word}") { ${outcome} } }`;
      const data = await askData(curfew.url, query, { headers: { "x-forwarded-for": from } });
      return data.register.kind as string;
    };
    const email = newEmail();
    expect(await make("no address")).toBe("InvalidInput");
    expect(await make(email, "short")).toBe("InvalidInput");
    expect(await make(email)).toBe("SignedIn");
    expect(await make(email)).toBe("InvalidInput");
    expect(await make(newEmail())).toBe("TooManyAttempts");
    expect(await make(newEmail(), password, "198.51.100.2")).toBe("SignedIn");
  });
});

describe("renewals", () => {
  const tryRenew = async (url: string, token: string) => {
    const query = `mutation ($token: String!) { renew(renewalToken: $token) { ${outcome} } }`;
    const data = await askData(url, query, { variables: { token } });
    return data.renew as { kind: string; retryAfterSeconds?: number };
  };

  it("that are refused too often are throttled, while tokens of live and ended sessions are not", async () => {
    await using curfew = await startCurfew({ maxFailuresPerAddress: 2 });
    const mine = await register(curfew.url);
    const ended = await register(curfew.url);
    await logout(curfew.url, ended.accessToken);
    const refused = { kind: "RenewalRefused" };
    for (let i = 0; i < 3; i += 1)
      expect(await tryRenew(curfew.url, ended.renewalToken)).toEqual(refused);
    for (const token of ["abc", mine.accessToken])
      expect(await tryRenew(curfew.url, token)).toEqual(refused);
    for (const token of ["abc", mine.accessToken])
      expect(await tryRenew(curfew.url, token)).toMatchObject({
        kind: "TooManyAttempts",
        retryAfterSeconds: 900,
      });
    expect(await tryRenew(curfew.url, ended.renewalToken)).toEqual(refused);
    expect(await renew(curfew.url, mine.renewalToken)).toMatchObject({ sessionId: mine.sessionId });
    expect((await guess(curfew.url, newEmail())).kind).toBe("InvalidCredentials");
  });

  it("that succeed are never counted", async () => {
    await using curfew = await startCurfew({ maxFailuresPerAddress: 1 });
    const { renewalToken } = await register(curfew.url);
    const all = await Promise.all(
      Array.from({ length: 20 }, () => tryRenew(curfew.url, renewalToken)),
    );
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(["SignedIn"]));
  });
});
