/** Reports the errors of one answer that its client may not see: those of one cause together. */
import { originalError } from "../errors.ts";

/** Receives an error, and how many errors like it the answer has. */
export type OnMasked = (error: unknown, count: number) => void;

/** Causes of one answer that are reported each for itself; the last stands for all others. */
const maxCauses = 10;

/** A list of ten thousand items that all fail for one reason is one report, and a request makes ten at most. */
export function reportMaskedErrors(errors: readonly unknown[], onMasked: OnMasked): void {
  const causes = new Map<string, { error: unknown; count: number }>();
  let last: { error: unknown; count: number } | undefined;
  for (const error of errors) {
    const key = causeOf(error);
    const known = causes.get(key) ?? (causes.size < maxCauses ? undefined : last);
    if (known !== undefined) {
      known.count += 1;
      continue;
    }
    last = { error, count: 1 };
    causes.set(key, last);
  }
  for (const { error, count } of causes.values()) onMasked(error, count);
}

/** Where it was thrown, whatever values its message quotes. */
function causeOf(error: unknown): string {
  const original = originalError(error);
  if (!(error instanceof Error) || !(original instanceof Error)) return String(original);
  const { name, message, stack = "" } = original;
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  return frames.length > 0 ? [name, ...frames].join("\n") : `${name} ${message}`;
}
