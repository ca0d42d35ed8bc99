/** The use cases over a real store and real topics, with a clock that the test moves. */
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

export const second = 1_000;
export const minute = 60 * second;
export const day = 24 * 60 * minute;

/** The defaults. */
export const lifetimes: Lifetimes = {
  access: 30 * minute,
  renewal: 30 * day,
  absolute: 90 * day,
  grace: 10 * second,
};

export const device = { userAgent: "Tests/1.0", ipAddress: "192.0.2.1" };

/** That of the device. */
export const network = sessionNetworkOf(device.ipAddress);

/** A secret of a ring: the same name, the same secret. */
export function secret(name: string): string {
  return `${name}: 32 bytes or more, as is due`;
}

/** A clock that stands still until it is moved. */
class Clock {
  now = Date.UTC(2030, 0, 1);
  readonly read = (): number => this.now;

  advance(time: number): void {
    this.now += time;
  }
}

/** What a test replaces: everything else is the real thing, with the defaults. */
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
    isUserDisabled: async (userId) => disabledUsers.has(userId),
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
    /** Another node: the same store and topics, and whatever is its own. */
    node: (others: Partial<SessionsOptions> = {}) => new Sessions({ ...options, ...others }),
    login: (userId = "ada") => sessions.start(userId, device),
    /** What other nodes hear about a session from now on: the type or, of an end, the reason. */
    recordMessages: async (fingerprint: string): Promise<readonly string[]> => {
      const heard: string[] = [];
      await pubsub.subscribe(sessionTopic(fingerprint), (message) => {
        const { type, reason } = message as { type: string; reason?: string };
        heard.push(reason ?? type);
      });
      return heard;
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
    /** A renewal that has to succeed. */
    renew: async (token: string) => {
      const renewal = await sessions.renew(token);
      if (renewal.outcome === "refused") throw new Error(`Refused: ${renewal.reason}`);
      return renewal;
    },
    /** Ends the session of any of its tokens; resolves to how many sessions that ended. */
    logout: async (token: string): Promise<number> => {
      const claims = sessions.identify(token);
      return claims ? sessions.end(claims.fingerprint, "LOGOUT") : 0;
    },
  };
}

export type Domain = ReturnType<typeof startDomain>;

/** A pair's tokens, which do not print and do not compare by themselves. */
export function tokenStrings({ accessToken, renewalToken }: TokenPair): readonly string[] {
  return [accessToken, renewalToken];
}

/** For what must not happen. */
export function rethrow(error: unknown): never {
  throw error;
}

/** The same, of what would be told and go on. */
export function rethrowReported(_what: string, error: unknown): never {
  throw error;
}
