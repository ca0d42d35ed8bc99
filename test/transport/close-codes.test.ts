import { expect, it } from "vitest";
import { refusalReasons } from "../../src/protocol/refusal-reasons.ts";
import { closeReasonFor } from "../../src/connections/admit.ts";
import { closes, type Close, type CloseReason } from "../../src/protocol/close-reasons.ts";

const unauthenticated = "4401 UNAUTHENTICATED";
const ended = "4401 SESSION_ENDED";
const expired = "4403 SESSION_EXPIRED";

it("each refusal has a close code: final if a login is needed, retryable if a renewal is enough", () => {
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

it("close codes without a refusal make the client reconnect later", () => {
  expect(closes.TRY_AGAIN_LATER).toMatchObject({
    code: 1013,
    reason: "TRY_AGAIN_LATER",
    reconnects: true,
  });
  expect(closes.TOO_MANY_CONNECTIONS).toMatchObject({
    code: 1013,
    reason: "TOO_MANY_CONNECTIONS",
    reconnects: true,
  });
  expect(closes.SERVICE_RESTART).toMatchObject({
    code: 1012,
    reason: "SERVICE_RESTART",
    reconnects: true,
  });
});

it("no close code makes clients loop or stop by mistake, and all are valid for a server", () => {
  for (const { code, reason } of Object.values(closes)) {
    expect([1000, 1011, 4500]).not.toContain(code);
    expect([1012, 1013, 4401, 4403]).toContain(code);
    expect(reason).toMatch(/^[A-Z_]{1,123}$/);
  }
});
