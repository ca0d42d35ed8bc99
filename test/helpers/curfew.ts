/** Starts servers in the test's process: a free port, in-memory stores, a log that tests can read. */
import { pino } from "pino";
import { createCurfew, type Curfew, type CurfewOptions } from "../../src/node/create-curfew.ts";
import { password } from "./http.ts";
import { recordLeaks } from "./secrecy.ts";

export interface TestCurfew extends Curfew {
  /** The log lines so far. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** The WebSocket URL. */
  readonly socketUrl: string;
}

export const secrets = ["a secret of this test run, 32 bytes or more"];

export async function startCurfew(options: CurfewOptions = {}): Promise<TestCurfew> {
  const log: Record<string, unknown>[] = [];
  const write = (line: string) => {
    recordLeaks("a line of the log", line, password, ...(options.secrets ?? secrets));
    log.push(JSON.parse(line) as Record<string, unknown>);
  };
  const logger = pino({ level: "debug" }, { write });
  const curfew = await createCurfew({
    port: 0,
    dataDir: ":memory:",
    secrets,
    logger,
    // All clients of a test share one address.
    maxRegistrationsPerAddress: 1_000_000,
    maxFailuresPerAddress: 1_000_000,
    maxLoginsPerAccount: 1_000_000,
    maxSocketsPerAddress: 0,
    // Short: half of it passes in each test that leaves connections open.
    drainTime: 200,
    ...options,
  });
  return { ...curfew, log, socketUrl: curfew.url.replace("http", "ws") };
}

/** A clock that stands still until a test advances it. */
export function fakeClock(start = Date.now()) {
  let now = start;
  const clock = () => now;
  return Object.assign(clock, { advance: (time: number) => void (now += time) });
}
