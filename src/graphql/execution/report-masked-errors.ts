/** Reports the masked errors of one response, grouped by cause. */
import { originalError } from "../errors.ts";

/** Receives a masked error, and how many errors of the response have the same cause. */
export type OnMasked = (error: unknown, count: number) => void;

/** Causes of one response that are reported separately. The last one includes all further causes. */
const maxCauses = 10;

/** A list of 10,000 items that fail for one reason makes one report, and a request makes at most ten reports. */
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

/** Identifies an error by where it was thrown, because its message may quote a different value each time. */
function causeOf(error: unknown): string {
  const original = originalError(error);
  if (!(error instanceof Error) || !(original instanceof Error)) return String(original);
  const { name, message, stack = "" } = original;
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  return frames.length > 0 ? [name, ...frames].join("\n") : `${name} ${message}`;
}
