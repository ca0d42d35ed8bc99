/** Settings of passwords: what a hash costs, and how many attempts an address has. */
import { duration, wholeNumber, type AnySetting } from "../kinds.ts";

export const passwords = {
  argon2Memory: {
    variable: "ARGON2_MEMORY",
    kind: wholeNumber(leastMemory(Infinity), 4_194_304, "KiB"),
    default: 19_456,
    example: "65536",
    about: "Memory of one password hash by argon2id, in KiB.",
    details:
      "As many hashes run at once as there are threads. The fewer `argon2Passes`, the more memory the OWASP minimum requires.",
  },
  argon2Passes: {
    variable: "ARGON2_PASSES",
    kind: wholeNumber(1, 100),
    default: 2,
    example: "3",
    about: "Passes over that memory for one password hash.",
  },
  argon2Parallelism: {
    variable: "ARGON2_PARALLELISM",
    kind: wholeNumber(1, 64),
    default: 1,
    example: "1",
    about: "Lanes of one password hash.",
  },
  maxLoginFailures: {
    variable: "MAX_LOGIN_FAILURES",
    kind: wholeNumber(1, 1_000_000),
    default: 10,
    example: "10",
    about: "Wrong passwords for one account from one address within `attemptWindow`.",
    details: "A right password resets the count.",
  },
  maxLoginsPerAccount: {
    variable: "MAX_LOGINS_PER_ACCOUNT",
    kind: wholeNumber(1, 1_000_000),
    default: 100,
    example: "100",
    about: "Right passwords for one account from one address within `attemptWindow`.",
  },
  maxFailuresPerAddress: {
    variable: "MAX_FAILURES_PER_ADDRESS",
    kind: wholeNumber(1, 1_000_000),
    default: 100,
    example: "100",
    about: "Wrong passwords from one address for any accounts within `attemptWindow`.",
    details: "The same number of refused renewals is allowed, counted apart.",
  },
  maxRegistrationsPerAddress: {
    variable: "MAX_REGISTRATIONS_PER_ADDRESS",
    kind: wholeNumber(1, 1_000_000),
    default: 100,
    example: "100",
    about: "Registrations from one address within `attemptWindow`.",
    details: "A registration that fails because the e-mail address is taken counts too.",
  },
  attemptWindow: {
    variable: "ATTEMPT_WINDOW",
    // In-process counters use a timer, whose longest delay is 2^31 ms.
    kind: duration("1s", "24d"),
    default: 900_000,
    example: "15m",
    about: "Time from the first of these attempts until all of them are forgotten.",
    details: "Rounded up to whole seconds.",
  },
} as const satisfies Record<string, AnySetting>;

/** The least memory (KiB) for that many passes of argon2id, by the OWASP Password Storage Cheat Sheet. */
export function leastMemory(passes: number): number {
  return [47_104, 19_456, 12_288, 9216][passes - 1] ?? 7168;
}
