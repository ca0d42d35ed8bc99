/** The session domain over a real store and pub/sub, with a clock that the test advances. */
import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import type { AuditFact } from "../../src/session/audit.ts";
import { KeyRing } from "../../src/session/keys.ts";
import { sessionTopic, type SessionMessage } from "../../src/session/messages.ts";
import { sessionNetworkOf } from "../../src/lib/client-network.ts";
import type { Lifetimes } from "../../src/session/session.ts";
import type { TokenPair } from "../../src/session/token.ts";
import { Sessions, type SessionsOptions } from "../../src/session/sessions.ts";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import { enabled } from "./users.ts";

export const second = 1_000;
export const minute = 60 * second;
export const day = 24 * 60 * minute;

/** The default lifetimes (ms). */
export const lifetimes: Lifetimes = {
  access: 30 * minute,
  renewal: 30 * day,
  absolute: 90 * day,
  grace: 10 * second,
};

export const device = { userAgent: "Tests/1.0", ipAddress: "192.0.2.1" };

/** The network of `device`. */
export const network = sessionNetworkOf(device.ipAddress);

/** A secret for a `KeyRing`; the same name gives the same secret. */
export function secret(name: string): string {
  return `${name}: 32 bytes or more`;
}

/** A clock that stands still until the test advances it. */
class Clock {
  now = Date.UTC(2030, 0, 1);
  readonly read = (): number => this.now;

  advance(time: number): void {
    this.now += time;
  }
}

/** @param overrides what the test replaces; all else is real, with the default settings */
export function startDomain(overrides: Partial<SessionsOptions> = {}) {
  const clock = new Clock();
  const disabledUsers = new Set<string>();
  const reportedErrors: string[] = [];
  const localChanges: SessionMessage[] = [];
  const audited: AuditFact[] = [];
  const store = overrides.store ?? new SqliteSessions(new DatabaseSync(":memory:"));
  const pubsub = overrides.pubsub ?? new MemoryPubSub(rethrow);
  const options: SessionsOptions = {
    store,
    pubsub,
    ring: new KeyRing([secret("ring")]),
    lifetimes,
    userStatus: async (userId) => ({ ...enabled, disabled: disabledUsers.has(userId) }),
    clock: clock.read,
    randomBytes,
    reportError: (what) => reportedErrors.push(what),
    audit: (fact) => audited.push(fact),
    ...overrides,
  };
  const sessions = new Sessions(options);
  sessions.onLocalChange((message) => localChanges.push(message));

  return {
    sessions,
    store,
    pubsub,
    clock,
    disabledUsers,
    reportedErrors,
    localChanges,
    audited,
    /** Another node on the same store and pub/sub. */
    node: (others: Partial<SessionsOptions> = {}) => new Sessions({ ...options, ...others }),
    login: (userId = "ada") => sessions.start(userId, device),
    /** Records what other nodes receive about a session: the message's type or, for an end, its reason. */
    recordMessages: async (fingerprint: string): Promise<readonly string[]> => {
      const received: string[] = [];
      await pubsub.subscribe(sessionTopic(fingerprint), (message) => {
        const { type, reason } = message as { type: string; reason?: string };
        received.push(reason ?? type);
      });
      return received;
    },
    /** "signedIn", "unavailable", or the reason of the refusal. */
    access: async (token: string | undefined): Promise<string> => {
      const authentication = await sessions.authenticate(token);
      return authentication.state === "refused" ? authentication.reason : authentication.state;
    },
    /** "renewed", or the reason of the refusal. */
    renewal: async (token: string): Promise<string> => {
      const renewal = await sessions.renew(token);
      return renewal.outcome === "refused" ? renewal.reason : renewal.outcome;
    },
    /** Renews; throws if the token is refused. */
    renew: async (token: string) => {
      const renewal = await sessions.renew(token);
      if (renewal.outcome === "refused") throw new Error(`Refused: ${renewal.reason}`);
      return renewal;
    },
    /** Ends the token's session; returns the number of ended sessions. */
    logout: async (token: string): Promise<number> => {
      const claims = sessions.identify(token);
      return claims ? sessions.end(claims.fingerprint, "LOGOUT") : 0;
    },
  };
}

export type Domain = ReturnType<typeof startDomain>;

/** The pair as strings: token objects neither print nor compare by value. */
export function tokenStrings({ accessToken, renewalToken }: TokenPair): readonly string[] {
  return [accessToken, renewalToken];
}

/** An error callback for errors that must not happen. */
export function rethrow(error: unknown): never {
  throw error;
}

/** The same, in place of a `ReportError`. */
export function rethrowReported(_what: string, error: unknown): never {
  throw error;
}
