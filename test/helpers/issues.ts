/** The issues that a start with wrong settings reports. */
import { ConfigError } from "../../src/config/load.ts";

/** Returns an empty list if the start succeeds. Other errors are thrown. */
export function issuesOf(start: () => unknown): readonly string[] {
  try {
    start();
  } catch (error) {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  }
  return [];
}
