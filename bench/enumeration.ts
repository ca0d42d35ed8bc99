/**
 * Tests whether the time of a refused login reveals which accounts exist: `node bench/enumeration.ts` on a quiet
 * machine. Logins with an unknown address and logins with a wrong password alternate, in random order. Exits with 1
 * if their times differ, which happens by chance in one run in twenty.
 */
import { startServer } from "../test/helpers/command.ts";
import { ask, newEmail, register } from "../test/helpers/http.ts";

const logins = 300;
const warmUp = 30;
const resamples = 2_000;

const kinds = ["unknown", "wrong"] as const;
type Times = Readonly<Record<(typeof kinds)[number], number[]>>;

const mutation = `mutation ($email: String!, $password: String!) {
  login(email: $email, password: $password) { kind: __typename }
}`;

async function measure(): Promise<Times> {
  await using server = await startServer({
    PORT: "0",
    DATA_DIR: ":memory:",
    MAX_LOGIN_FAILURES: "1000000",
    MAX_FAILURES_PER_ADDRESS: "1000000",
  });
  const known = newEmail();
  await register(server.url, known);
  const times: Times = { unknown: [], wrong: [] };
  for (let i = 0; i < warmUp + logins; i += 1) {
    const order = Math.random() < 0.5 ? kinds : kinds.toReversed();
    for (const kind of order) {
      // An unknown address has the same length, and is a new one each time, like an attacker's guesses.
      const email = kind === "wrong" ? known : newEmail().replace("user", "none");
      const variables = { email, password: `a wrong password ${i}` };
      const start = performance.now();
      const answer = await ask(server.url, mutation, { variables });
      const time = performance.now() - start;
      const { login } = answer.data as { login: { kind: string } };
      if (login.kind !== "InvalidCredentials") throw new Error("The login was not refused");
      if (i >= warmUp) times[kind].push(time);
    }
  }
  return times;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}

/** How often a login with an unknown address takes longer than one with a wrong password: 0.5 reveals nothing. */
function auc({ unknown, wrong }: Times): number {
  const all = [
    ...unknown.map((time) => ({ time, isUnknown: true })),
    ...wrong.map((time) => ({ time, isUnknown: false })),
  ].toSorted((a, b) => a.time - b.time);
  let below = 0;
  let pairs = 0;
  for (const { isUnknown } of all) {
    if (isUnknown) pairs += below;
    else below += 1;
  }
  return pairs / (unknown.length * wrong.length);
}

/** The share that two histograms have in common. Their twenty bins have the same number of all times. */
function overlap({ unknown, wrong }: Times): number {
  const all = [...unknown, ...wrong];
  const edges = Array.from({ length: 19 }, (_, i) => quantile(all, (i + 1) / 20));
  const histogram = (times: readonly number[]) => {
    const bins = Array.from({ length: 20 }, () => 0);
    for (const time of times) {
      const bin = edges.filter((edge) => edge < time).length;
      bins[bin] = (bins[bin] ?? 0) + 1 / times.length;
    }
    return bins;
  };
  const [one, other] = [histogram(unknown), histogram(wrong)];
  return one.reduce((sum, share, i) => sum + Math.min(share, other[i] ?? 0), 0);
}

function resample(values: readonly number[]): number[] {
  return values.map(() => values[Math.floor(Math.random() * values.length)] ?? Number.NaN);
}

/** The middle 95 % of the statistic over resamples of the times. */
function interval(times: Times, statistic: (times: Times) => number): [number, number] {
  const values = Array.from({ length: resamples }, () =>
    statistic({ unknown: resample(times.unknown), wrong: resample(times.wrong) }),
  );
  return [quantile(values, 0.025), quantile(values, 0.975)];
}

/** The middle 95 % of the statistic if there is no difference: both kinds are shuffled into one. */
function byChance(
  { unknown, wrong }: Times,
  statistic: (times: Times) => number,
): [number, number] {
  const all = [...unknown, ...wrong];
  const values = Array.from({ length: resamples }, () => {
    const shuffled = all
      .map((time) => ({ time, key: Math.random() }))
      .toSorted((one, other) => one.key - other.key)
      .map(({ time }) => time);
    return statistic({
      unknown: shuffled.slice(0, unknown.length),
      wrong: shuffled.slice(unknown.length),
    });
  });
  return [quantile(values, 0.025), quantile(values, 0.975)];
}

const times = await measure();
const medians = (of: Times) => quantile(of.unknown, 0.5) - quantile(of.wrong, 0.5);
const figures = (of: readonly number[]) =>
  [0.5, 0.05, 0.95].map((share) => quantile(of, share).toFixed(2)).join(", ");
const range = ([from, to]: readonly [number, number], digits = 3) =>
  `${from.toFixed(digits)} to ${to.toFixed(digits)}`;
const [low, high] = interval(times, auc);
const isDifferent = low > 0.5 || high < 0.5;

process.stdout.write(`${logins} logins of each kind, alternating; milliseconds (median, 5 %, 95 %)
  unknown address       ${figures(times.unknown)}
  wrong password        ${figures(times.wrong)}
  difference of medians ${medians(times).toFixed(3)} (95 %: ${range(interval(times, medians))})
  area under the curve  ${auc(times).toFixed(3)} (95 %: ${range([low, high])}; 0.5 reveals nothing)
  overlap               ${overlap(times).toFixed(3)} (without a difference: ${range(byChance(times, overlap))})
${isDifferent ? "The times differ." : "The times do not differ."}
`);
process.exitCode = isDifferent ? 1 : 0;
