/** Servers for tests: on any free port, with nothing kept, silent unless a test listens to the log. */
import { pino } from "pino";
import { createCurfew, type Curfew, type CurfewOptions } from "../../src/node/create-curfew.ts";
import { password } from "./http.ts";
import { noSecretIn } from "./secrecy.ts";

export interface TestCurfew extends Curfew {
  /** The lines logged so far. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** The URL of the socket. */
  readonly socketUrl: string;
}

export const secrets = ["a secret of this test run, 32 bytes or more"];

export async function startCurfew(options: CurfewOptions = {}): Promise<TestCurfew> {
  const log: Record<string, unknown>[] = [];
  const write = (line: string) => {
    noSecretIn("a line of the log", line, password, ...(options.secrets ?? secrets));
    log.push(JSON.parse(line) as Record<string, unknown>);
  };
  const logger = pino({ level: "debug" }, { write });
  const curfew = await createCurfew({
    port: 0,
    dataDir: ":memory:",
    secrets,
    logger,
    // All tests come from one address.
    maxRegistrationsPerAddress: 1_000_000,
    maxFailuresPerAddress: 1_000_000,
    maxLoginsPerAccount: 1_000_000,
    maxSocketsPerAddress: 0,
    // Half of it is waited where a test keeps connections.
    drainTime: 200,
    ...options,
  });
  return { ...curfew, log, socketUrl: curfew.url.replace("http", "ws") };
}

/** A clock that stands still until it is moved. */
export function fakeClock(start = Date.now()) {
  let now = start;
  const clock = () => now;
  return Object.assign(clock, { advance: (time: number) => void (now += time) });
}
