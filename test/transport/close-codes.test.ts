import { expect, it } from "vitest";
import type { Ending } from "../../src/session/life.ts";
import { refusalReasons } from "../../src/session/reasons.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { closeForEnding, closeForRefusal, closes } from "../../src/transport/close-codes.ts";

const unauthenticated = "4401 UNAUTHENTICATED";
const ended = "4401 SESSION_ENDED";
const expired = "4403 SESSION_EXPIRED";

it("every refusal has its code: final when only a login helps, retryable when a renewal does", () => {
  const codes = refusalReasons.map((reason) => {
    const close = closeForRefusal({ state: "refused", reason });
    return [reason, `${close.code} ${close.reason}`];
  });
  expect(Object.fromEntries(codes)).toEqual({
    MISSING: unauthenticated,
    MALFORMED: unauthenticated,
    BAD_SIGNATURE: unauthenticated,
    WRONG_KIND: unauthenticated,
    EXPIRED: expired,
    SUPERSEDED: expired,
    ENDED: ended,
    REUSED: ended,
    USER_GONE: ended,
  });
});

it("a store that cannot be asked is no refusal", () => {
  const cause = new StoreUnavailable("It is down.");
  const close = closeForRefusal({ state: "unavailable", claims: undefined as never, cause });
  expect(close).toEqual({ code: 1013, reason: "TRY_AGAIN_LATER" });
});

it.each([
  ["ENDED", 4401, "SESSION_ENDED"],
  ["EXPIRED", 4403, "SESSION_EXPIRED"],
  ["UNAVAILABLE", 1013, "TRY_AGAIN_LATER"],
  ["GOING_AWAY", 1012, "SERVICE_RESTART"],
  ["TOO_SLOW", 1013, "TOO_SLOW"],
] as const)("a socket whose life ends as %s closes with %i %s", (ending: Ending, code, reason) => {
  expect(closeForEnding(ending)).toEqual({ code, reason });
});

it("no code is one that makes clients loop or give up for good by mistake, and each may be sent", () => {
  for (const { code, reason } of Object.values(closes)) {
    expect([1000, 1011, 4500]).not.toContain(code);
    expect([1012, 1013, 4401, 4403]).toContain(code);
    expect(reason).toMatch(/^[A-Z_]{1,123}$/);
  }
});
