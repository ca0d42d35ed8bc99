/** The log: pino, one JSON object per line, without secrets. */
import { pino, type Logger } from "pino";
import type { ReportError } from "../lib/report-error.ts";
import { LogOutput, nonBlocking } from "./log-output.ts";
import { logContext } from "../lib/log-context.ts";

export interface LogLimits {
  /** Characters that may wait for the log's reader. Further lines are dropped and counted. */
  readonly maxWaiting: number;
  /** How long the exit of the process waits for the log's reader (ms). */
  readonly flushTimeout: number;
}

/** Shared by all servers of the process: two outputs would write into each other's lines. */
let output: LogOutput | undefined;

/**
 * Opens a log to standard output. A reader that stalls, or a full disk, costs log lines and nothing else.
 *
 * @param limits those of the first call in the process hold
 */
export function openLog(level: string, limits: LogLimits): Logger {
  return pino({ level }, (output ??= openOutput(limits)));
}

/** Returns how many log lines to standard output this process has dropped. */
export function lostLines(): number {
  return output?.lost ?? 0;
}

function openOutput({ maxWaiting, flushTimeout }: LogLimits): LogOutput {
  const onLost = (lines: number) => {
    logger.warn(
      { lines },
      "lines of the log were lost: the reader or the disk did not accept them",
    );
  };
  const opened = new LogOutput(nonBlocking(1), { maxWaiting, onLost });
  const logger = pino({ level: "warn" }, opened);
  process.on("exit", () => opened.flush(flushTimeout));
  return opened;
}

/** Reports errors to the log. A logger of the app that throws is ignored: there is no other place to report it. */
export function errorLog(logger: Logger): ReportError {
  return (what, error) => {
    try {
      logger.warn({ err: error, ...logContext() }, what);
    } catch {
      // As with a log that cannot be written.
    }
  };
}
