/** What each command is: it gets its operands and the settings, and says how it went. */
import type { Options } from "../config/load.ts";

/**
 * @param load the settings, asked for once the operands are known to be right; it throws all that is wrong
 * @returns the exit code
 */
export type Command = (operands: readonly string[], load: () => Options) => Promise<number>;

/** Wrong operands, or none where there must be some: the usage is the answer. */
export function misused(usage: string): number {
  console.error(usage);
  return 2;
}
