/** The log: pino, one JSON object a line, with nothing secret in it. */
import type { YogaLogger } from "graphql-yoga";
import { pino, type Logger } from "pino";
import type { OnFault } from "../session/fault.ts";
import { logOrigin } from "../telemetry/origin.ts";
import { originalError } from "./errors.ts";

/** Characters that may wait for whoever takes the log; what comes beyond them is lost. */
const maxWaiting = 4 * 1024 * 1024;

/** To standard output. A server whose log cannot be written, since the disk is full, serves all the same. */
export function openLog(level: string): Logger {
  const destination = pino.destination({ fd: 1, sync: true, maxLength: maxWaiting });
  return pino(
    { level },
    destination.on("error", () => {}),
  );
}

/** An app's logger that throws stops nothing: there is nobody left to tell. */
export function faultLog(logger: Logger): OnFault {
  return (what, error) => {
    try {
      logger.warn({ err: error, ...logOrigin() }, what);
    } catch {
      // As with a log that cannot be written.
    }
  };
}

/** For Yoga, which logs what it masks: the error itself, without the query text around it. */
export function yogaLogger(logger: Logger): YogaLogger {
  const line =
    (level: "debug" | "info" | "warn" | "error") =>
    (...args: unknown[]) => {
      const errors = args.map(originalError).filter((arg) => arg instanceof Error);
      const origin = logOrigin();
      if (errors.length === 0) logger[level]({ ...origin }, args.map(String).join(" "));
      for (const err of errors) logger[level]({ err, ...origin }, "an operation failed");
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
