/** For files whose tests break links: what nobody caught meanwhile fails the test. */
import { afterAll, afterEach, beforeAll, expect } from "vitest";

/** @returns what else may note an error that must not be */
export function expectNothingUnhandled(): (error: unknown) => void {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  beforeAll(() => void process.on("unhandledRejection", note).on("uncaughtException", note));
  afterEach(() => expect(unhandled).toEqual([]));
  afterAll(() => void process.off("unhandledRejection", note).off("uncaughtException", note));
  return note;
}
