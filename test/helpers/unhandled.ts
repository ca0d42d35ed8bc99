/** Fails a test during which a rejection or an exception was unhandled. */
import { afterAll, afterEach, beforeAll, expect } from "vitest";

/** @returns a function that records an error as unhandled */
export function expectNothingUnhandled(): (error: unknown) => void {
  const unhandled: unknown[] = [];
  const record = (error: unknown): void => void unhandled.push(error);
  beforeAll(() => void process.on("unhandledRejection", record).on("uncaughtException", record));
  afterEach(() => expect(unhandled).toEqual([]));
  afterAll(() => void process.off("unhandledRejection", record).off("uncaughtException", record));
  return record;
}
