/** More logins than the hash queue holds: the others are refused with a time to retry after, and count as no failure. */
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, askData, newEmail, password, register } from "../helpers/http.ts";

const login = `mutation ($email: String!, $password: String!) {
  login(email: $email, password: $password) {
    kind: __typename
    ... on TooManyAttempts { retryAfterSeconds }
    ... on SignedIn { viewer { sessions { id } } }
  }
}`;

it("a spike of logins signs in as many as the queue holds, and asks the others to retry after one second", async () => {
  await using curfew = await startCurfew({ maxLoginFailures: 1_000 });
  const email = newEmail();
  const { userId } = await register(curfew.url, email);
  const variables = { email, password };
  const answers = await Promise.all(
    Array.from({ length: 150 }, () => ask(curfew.url, login, { variables })),
  );

  expect(answers.flatMap(({ errors = [] }) => errors)).toEqual([]);
  const outcomes = answers.map(({ data }) => data.login);
  const signedIn = outcomes.filter(({ kind }) => kind === "SignedIn");
  const sentAway = outcomes.filter(({ kind }) => kind === "TooManyAttempts");
  expect(signedIn.length).toBeGreaterThan(0);
  expect(sentAway.length).toBeGreaterThan(0);
  expect(signedIn.length + sentAway.length).toBe(150);
  for (const { retryAfterSeconds } of sentAway) expect(retryAfterSeconds).toBe(1);

  // The refused logins left no session and were not counted as failures.
  expect(await curfew.sessions.list(userId)).toHaveLength(signedIn.length + 1);
  const noted = curfew.log.filter(({ reason }) => reason === "BUSY");
  expect(noted).toHaveLength(sentAway.length);
  const data = await askData(curfew.url, login, { variables });
  expect(data.login.kind).toBe("SignedIn");
});
