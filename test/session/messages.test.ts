import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  readSessionMessage,
  readUserMessage,
  sessionTopic,
  userTopic,
} from "../../src/session/messages.ts";
import { endReasons } from "../../src/protocol/end-reasons.ts";
import { beginSession, type Session } from "../../src/session/session.ts";
import { device, lifetimes } from "../helpers/domain.ts";

const fingerprint = "a fingerprint";
const session = beginSession(fingerprint, "ada", device, lifetimes, Date.UTC(2030, 0, 1));

const uncertain = { type: "uncertain", fingerprint };

/** The message after serialisation. */
const sent = (message: unknown): unknown => JSON.parse(JSON.stringify(message));

test("every message is read as it was sent", () => {
  const renewed = { type: "renewed", fingerprint, session };
  expect(readSessionMessage(sent(renewed))).toEqual(renewed);
  for (const reason of endReasons) {
    const ended = { type: "ended", fingerprint, session, reason };
    expect(readSessionMessage(sent(ended))).toEqual(ended);
  }
  expect(readSessionMessage(sent(uncertain))).toEqual(uncertain);
  const started = { type: "started", session };
  expect(readUserMessage(sent(started))).toEqual(started);
});

test("fields of a later version are dropped", () => {
  const renewed = { type: "renewed", fingerprint, session };
  expect(readSessionMessage({ ...renewed, colour: "red" })).toEqual(renewed);
});

test.each([
  ["an end with an unknown reason", { type: "ended", fingerprint, session, reason: "BOREDOM" }],
  ["an end with a reason like a member", { type: "ended", fingerprint, reason: "constructor" }],
  ["an end without a reason", { type: "ended", fingerprint, session }],
  ["an end with a reason that is no text", { type: "ended", fingerprint, session, reason: 7 }],
  ["another type", { type: "moved", fingerprint, session }],
  ["another type, with a reason", { type: "paused", fingerprint, session, reason: "LOGOUT" }],
  ["no type", { fingerprint, session }],
  ["a user's message", { type: "started", fingerprint, session }],
  ["no session", { type: "renewed", fingerprint }],
  ["null for a session", { type: "renewed", fingerprint, session: null }],
  ["another session", { type: "ended", fingerprint: "b", session, reason: "LOGOUT" }],
])("a session's message that is not understood is uncertain: %s", (_, message) => {
  expect(readSessionMessage(sent(message))).toEqual({
    type: "uncertain",
    fingerprint: message.fingerprint,
  });
});

test.each([
  ["another shape of session", { type: "started", session: { ...session, userId: { id: "ada" } } }],
  ["no session", { type: "started" }],
  ["another type", { type: "merged", with: "bob" }],
])("a user's message that is not understood is uncertain: %s", (_, message) => {
  expect(readUserMessage(sent(message))).toEqual({ type: "uncertain" });
});

test("a session with an unknown device is valid", () => {
  const unknown = { ...session, userAgent: null, ipAddress: null };
  expect(readUserMessage(sent({ type: "started", session: unknown }))).toMatchObject({
    type: "started",
  });
});

test.each([
  ["no fingerprint and no type", { session }],
  ["an object for a fingerprint", { fingerprint: {}, session }],
  ["text", "renewed"],
  ["null", null],
  ["nothing", undefined],
  ["a list", [{ type: "renewed", fingerprint, session }]],
])("a message is ignored: %s", (_, message) => {
  expect(readSessionMessage(message)).toBeUndefined();
  expect(readUserMessage(message)).toBeUndefined();
});

const fields = Object.keys(session).filter(
  (name) => name !== "userAgent" && name !== "ipAddress",
) as (keyof Session)[];

test.each(fields)("a message is uncertain: a session with an invalid %s", (field) => {
  for (const broken of [undefined, null, {}, Number.NaN, 0.5, -Infinity]) {
    const message = { fingerprint, session: { ...session, [field]: broken } };
    for (const type of ["renewed", "replayed", "ended"])
      expect(readSessionMessage({ ...message, type, reason: "LOGOUT" })).toEqual(uncertain);
    expect(readUserMessage({ ...message, type: "started" })).toEqual({ type: "uncertain" });
  }
});

test("no JSON value makes a reader throw", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (message) => {
      expect(readSessionMessage(message)?.type ?? "uncertain").toBe("uncertain");
      expect(readUserMessage(message)?.type ?? "uncertain").toBe("uncertain");
    }),
  );
});

test("a session and a user with the same id have different topics", () => {
  expect(sessionTopic("ada")).not.toBe(userTopic("ada"));
});
