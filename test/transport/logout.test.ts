import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, logout, register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";

it("logout closes the session's socket with 4401 and revokes its token", async () => {
  await using curfew = await startCurfew();
  const { accessToken, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  expect(socket.ack.sessionId).toBe(sessionId);
  socket.subscribe("1", "subscription { sessionEvents { type } }");

  expect(await logout(curfew.url, accessToken)).toBe(1);

  expect(await socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
  const answer = await ask(curfew.url, "mutation { endOtherSessions { endedSessions } }", {
    token: accessToken,
  });
  expect(answer.errors?.[0]?.extensions).toEqual({
    code: "UNAUTHENTICATED",
    reason: "ENDED",
    endReason: "LOGOUT",
  });
  expect(await logout(curfew.url, accessToken)).toBe(0);
});
