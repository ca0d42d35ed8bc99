/** The interface of a command. */
import type { Options } from "../config/load.ts";

/**
 * @param load loads the settings; called after the operands are checked; throws a `ConfigError` with all issues
 * @returns the exit code
 */
export type Command = (operands: readonly string[], load: () => Options) => Promise<number>;

/** Prints the usage because the operands are wrong or missing. Returns the exit code. */
export function misused(usage: string): number {
  console.error(usage);
  return 2;
}
