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

/** The message after serialisation. */
const sent = (message: unknown): unknown => JSON.parse(JSON.stringify(message));

test("every message is read as it was sent", () => {
  const renewed = { type: "renewed", fingerprint, session };
  expect(readSessionMessage(sent(renewed))).toEqual(renewed);
  for (const reason of endReasons) {
    const ended = { type: "ended", fingerprint, session, reason };
    expect(readSessionMessage(sent(ended))).toEqual(ended);
  }
  const uncertain = { type: "uncertain", fingerprint };
  expect(readSessionMessage(sent(uncertain))).toEqual(uncertain);
  const started = { type: "started", session };
  expect(readUserMessage(sent(started))).toEqual(started);
});

test("fields of a later version are dropped", () => {
  const renewed = { type: "renewed", fingerprint, session };
  expect(readSessionMessage({ ...renewed, colour: "red" })).toEqual(renewed);
});

test.each(["BOREDOM", "constructor"])(
  "an end with the unknown reason %s is read as uncertain",
  (reason) => {
    const ended = { type: "ended", fingerprint, session, reason };
    expect(readSessionMessage(sent(ended))).toEqual({ type: "uncertain", fingerprint });
  },
);

test("a session with an unknown device is valid", () => {
  const unknown = { ...session, userAgent: null, ipAddress: null };
  expect(readUserMessage(sent({ type: "started", session: unknown }))).toBeDefined();
});

test.each([
  ["another type", { type: "moved", fingerprint, session }],
  ["another type, with a reason", { type: "paused", fingerprint, session, reason: "LOGOUT" }],
  ["no type", { fingerprint, session }],
  ["an end without a reason", { type: "ended", fingerprint, session }],
  ["an end for no kind of reason", { type: "ended", fingerprint, session, reason: 7 }],
  ["no session", { type: "renewed", fingerprint }],
  ["no fingerprint", { type: "renewed", session }],
  ["the fingerprint of another session", { type: "renewed", fingerprint: "other", session }],
  ["an uncertain message without a fingerprint", { type: "uncertain" }],
  ["null for a session", { type: "renewed", fingerprint, session: null }],
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

test.each(fields)("a message is ignored: a session with an invalid %s", (field) => {
  for (const broken of [undefined, null, {}, Number.NaN, 0.5, -Infinity]) {
    const message = { fingerprint, session: { ...session, [field]: broken } };
    expect(readSessionMessage({ ...message, type: "renewed" })).toBeUndefined();
    expect(readUserMessage({ ...message, type: "started" })).toBeUndefined();
  }
});

test("a session message is not read as a user message, or vice versa", () => {
  expect(readSessionMessage({ type: "started", fingerprint, session })).toBeUndefined();
  expect(readUserMessage({ type: "renewed", session })).toBeUndefined();
});

test("no JSON value makes a reader throw", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (message) => {
      expect(readSessionMessage(message)).toBeUndefined();
      expect(readUserMessage(message)).toBeUndefined();
    }),
  );
});

test("a session and a user with the same id have different topics", () => {
  expect(sessionTopic("ada")).not.toBe(userTopic("ada"));
});
