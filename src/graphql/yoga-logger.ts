/** Yoga's logger, writing to pino. */
import type { YogaLogger } from "graphql-yoga";
import type { Logger } from "pino";
import { logContext } from "../lib/log-context.ts";
import { originalError } from "./errors.ts";

/** An argument of the logger: how many equal errors the logged one stands for. */
export class Occurrences {
  readonly count: number;

  constructor(count: number) {
    this.count = count;
  }
}

/** Creates a logger for Yoga, which logs the errors that it masks. Logs the original error, without the query text. */
export function yogaLogger(logger: Logger): YogaLogger {
  const line =
    (level: "debug" | "info" | "warn" | "error") =>
    (...args: unknown[]) => {
      const logged = args.filter((arg) => !(arg instanceof Occurrences));
      const errors = logged.map(originalError).filter((arg) => arg instanceof Error);
      const count = args.find((arg) => arg instanceof Occurrences)?.count ?? 1;
      const fields = { ...logContext(), ...(count > 1 && { count }) };
      if (errors.length === 0) logger[level](fields, logged.map(String).join(" "));
      for (const err of errors) logger[level]({ err, ...fields }, "an operation failed");
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
