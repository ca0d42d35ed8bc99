import { expect, it } from "vitest";
import type { CloseReason } from "../../src/protocol/close-reasons.ts";
import { refusalReasons } from "../../src/protocol/refusal-reasons.ts";
import { closeReasonFor } from "../../src/connections/admit.ts";
import { closes, type Close } from "../../src/protocol/close-reasons.ts";

const unauthenticated = "4401 UNAUTHENTICATED";
const ended = "4401 SESSION_ENDED";
const expired = "4403 SESSION_EXPIRED";

it("every refusal has its code: final when only a login helps, retryable when a renewal does", () => {
  const table: Partial<Record<CloseReason, Close>> = closes;
  const codes = refusalReasons.map((reason) => {
    const close = table[closeReasonFor(reason)];
    return [reason, `${close?.code} ${close?.reason}`];
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

it("the other ends bring a client back, some time later", () => {
  expect(closes.TRY_AGAIN_LATER).toEqual({ code: 1013, reason: "TRY_AGAIN_LATER" });
  expect(closes.TOO_MANY_CONNECTIONS).toEqual({ code: 1013, reason: "TOO_MANY_CONNECTIONS" });
  expect(closes.SERVICE_RESTART).toEqual({ code: 1012, reason: "SERVICE_RESTART" });
});

it("no code is one that makes clients loop or give up for good by mistake, and each may be sent", () => {
  for (const { code, reason } of Object.values(closes)) {
    expect([1000, 1011, 4500]).not.toContain(code);
    expect([1012, 1013, 4401, 4403]).toContain(code);
    expect(reason).toMatch(/^[A-Z_]{1,123}$/);
  }
});
