/** The most log lines that one request can cause. */
import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../src/session/audit.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { ask, newEmail, password, register } from "../helpers/http.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const aliases = 100;

function many(field: string): string {
  return `mutation { ${Array.from({ length: aliases }, (_, i) => `a${i}: ${field}`).join(" ")} }`;
}

function factsOf({ log }: TestCurfew, event: AuditEvent["event"]) {
  return log.filter((line) => line["event"] === event);
}

const guess = (email: string) =>
  many(`login(email: "${email}", password: "a wrong password") { __typename }`);

it("a hundred throttled logins in one request are one fact with a count, for the log and for onAudit", async () => {
  const events: AuditEvent[] = [];
  await using curfew = await startCurfew({
    maxLoginFailures: 1,
    onAudit: (event) => events.push(event),
  });
  const email = newEmail();
  await register(curfew.url, email);
  await ask(curfew.url, guess(email));
  const refused = factsOf(curfew, "loginRefused");
  expect(refused).toHaveLength(1);
  expect(refused[0]).not.toHaveProperty("count");
  const throttled = factsOf(curfew, "throttled");
  expect(throttled).toMatchObject([
    { attempt: "login", reason: "ATTEMPTS", count: aliases - 1, requestId: expect.any(String) },
  ]);
  expect(events.filter(({ event }) => event === "throttled")).toMatchObject([
    { attempt: "login", reason: "ATTEMPTS", count: aliases - 1 },
  ]);
  const { values } = await metricsOf(curfew.url);
  const series = 'curfew_attempts_refused_total{attempt="login",reason="ATTEMPTS"}';
  expect(values.get(series)).toBe(aliases - 1);
});

it.each([
  ["through plugins", true, false],
  ["over a socket", false, true],
])(
  "a hundred throttled logins in one operation are one line with a count %s",
  async (_, byPlugins, bySocket) => {
    await using curfew = await startCurfew({
      maxLoginFailures: 1,
      ...(byPlugins && { plugins: [{}] }),
    });
    const email = newEmail();
    const { accessToken } = await register(curfew.url, email);
    if (bySocket) {
      await using socket = await connect(curfew.socketUrl, accessToken);
      socket.subscribe("1", guess(email));
      await socket.messages.next();
    } else await ask(curfew.url, guess(email));
    expect(factsOf(curfew, "throttled")).toMatchObject([{ count: aliases - 1 }]);
  },
);

it("each request, reason, user and kind of attempt has a log line of its own", async () => {
  await using curfew = await startCurfew();
  const [one, other] = [newEmail(), newEmail()];
  await register(curfew.url, one);
  await register(curfew.url, other);
  const fields = [one, one, other, newEmail(), newEmail()].map(
    (email, i) => `a${i}: login(email: "${email}", password: "wrong") { __typename }`,
  );
  const taken = `b: register(email: "${one}", password: "${password}") { __typename }`;
  const query = `mutation { ${fields.join(" ")} ${taken} }`;
  await ask(curfew.url, query);
  expect(factsOf(curfew, "loginRefused").map(({ reason, count }) => [reason, count])).toEqual([
    ["WRONG_PASSWORD", 2],
    ["WRONG_PASSWORD", undefined],
    ["UNKNOWN_USER", 2],
  ]);
  expect(factsOf(curfew, "registrationRefused")).toHaveLength(1);
  await ask(curfew.url, query);
  expect(factsOf(curfew, "registrationRefused")).toHaveLength(2);
});

it("a hundred refused renewals in one request are one line", async () => {
  await using curfew = await startCurfew();
  await ask(curfew.url, many(`renew(renewalToken: "none") { __typename }`));
  expect(factsOf(curfew, "renewalRefused")).toMatchObject([
    { reason: "MALFORMED", count: aliases },
  ]);
});

describe("errors masked in one response", () => {
  const app = {
    typeDefs: `type Query { broken: Int items: [Item] kinds(count: Int!): [Item] } type Item { broken: Int }`,
    resolvers: {
      Query: {
        broken: () => {
          throw new Error("one of the app's own");
        },
        items: () => Array.from({ length: 1_000 }, (_, i) => ({ i })),
        kinds: (_: unknown, { count }: { readonly count: number }) =>
          Array.from({ length: count }, (_item, i) => ({
            get broken(): never {
              const error = new Error("another");
              error.stack = `Error: another\n    at line ${i}`;
              throw error;
            },
          })),
      },
      Item: {
        broken: (parent: { readonly i?: number; readonly broken?: never }) => {
          if (parent.i === undefined) return parent.broken;
          throw new Error(`item ${parent.i} of the app's own`);
        },
      },
    },
  };
  const failures = ({ log }: TestCurfew) => log.filter(({ msg }) => msg === "an operation failed");

  it.each([
    ["of a hundred fields are one line with one stack", "fields", 100],
    ["of a list of 1,000 items are one line, though each quotes another value", "items", 1_000],
  ])("%s", async (_, what, count) => {
    await using curfew = await startCurfew(app);
    const query =
      what === "items"
        ? "{ items { broken } }"
        : `{ ${Array.from({ length: 100 }, (_field, i) => `a${i}: broken`).join(" ")} }`;
    const { errors } = await ask(curfew.url, query);
    expect(errors).toHaveLength(count);
    await until(() => failures(curfew).length > 0);
    expect(failures(curfew)).toMatchObject([{ count, err: { type: "Error" } }]);
  });

  it("of very many causes are ten log lines, and the last one counts the rest", async () => {
    await using curfew = await startCurfew(app);
    await ask(curfew.url, "{ kinds(count: 50) { broken } }");
    const counts = failures(curfew).map(({ count }) => count ?? 1);
    expect(counts).toEqual([...Array<number>(9).fill(1), 41]);
  });
});
