/** The log: pino, one JSON object a line, with nothing secret in it. */
import { pino, type Logger } from "pino";
import type { ReportError } from "../lib/report-error.ts";
import { LogOutput, nonBlocking } from "./log-output.ts";
import { logContext } from "../lib/log-context.ts";

/** Characters that may wait for the log's reader; lines beyond them are dropped and counted. */
const maxWaiting = 4 * 1024 * 1024;
/** How long an exit waits for the log's reader (ms). */
const flushTime = 1_000;

/** One for all servers of the process: two would write into each other's lines. */
let output: LogOutput | undefined;

/** Logs to standard output. A reader that stalls, or a full disk, costs lines of the log and nothing else. */
export function openLog(level: string): Logger {
  return pino({ level }, (output ??= openOutput()));
}

/** How many lines of the log to standard output were lost in this process. */
export function lostLines(): number {
  return output?.lost ?? 0;
}

function openOutput(): LogOutput {
  const onLost = (lines: number) => {
    logger.warn(
      { lines },
      "lines of the log were lost: its reader, or its disk, did not take them",
    );
  };
  const opened = new LogOutput(nonBlocking(1), { maxWaiting, onLost });
  const logger = pino({ level: "warn" }, opened);
  process.on("exit", () => opened.flush(flushTime));
  return opened;
}

/** An app's logger that throws stops nothing: there is nobody left to tell. */
export function faultLog(logger: Logger): ReportError {
  return (what, error) => {
    try {
      logger.warn({ err: error, ...logContext() }, what);
    } catch {
      // As with a log that cannot be written.
    }
  };
}
