/** Yoga's log, in pino's lines: the error itself, without the query text around it. */
import type { YogaLogger } from "graphql-yoga";
import type { Logger } from "pino";
import { logContext } from "../lib/log-context.ts";
import { originalError } from "./errors.ts";

/** Beside an error in a call of `yogaLogger`: how many errors like it there were. */
export class Occurrences {
  readonly count: number;

  constructor(count: number) {
    this.count = count;
  }
}

/** For Yoga, which logs what it masks: the error itself, without the query text around it. */
export function yogaLogger(logger: Logger): YogaLogger {
  const line =
    (level: "debug" | "info" | "warn" | "error") =>
    (...args: unknown[]) => {
      const said = args.filter((arg) => !(arg instanceof Occurrences));
      const errors = said.map(originalError).filter((arg) => arg instanceof Error);
      const count = args.find((arg) => arg instanceof Occurrences)?.count ?? 1;
      const origin = { ...logContext(), ...(count > 1 && { count }) };
      if (errors.length === 0) logger[level](origin, said.map(String).join(" "));
      for (const err of errors) logger[level]({ err, ...origin }, "an operation failed");
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
