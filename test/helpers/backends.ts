/** Real parts with a hand on them: to pause, break or count what a server asks of them. */
import { sessionTopic } from "../../src/session/messages.ts";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import type { PubSub } from "../../src/session/pubsub.ts";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { openDatabase } from "./adapters.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import type { UserDirectory } from "../../src/users/directory.ts";
import { SqliteUsers } from "../../src/users/sqlite.ts";

/** The port with some methods replaced; each replacement gets the real method to call. */
export function intercept<T extends object>(
  port: T,
  replacements: { readonly [Name in keyof T]?: (real: T[Name]) => T[Name] },
): T {
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      const real: unknown = typeof value === "function" ? value.bind(target) : value;
      const replace = replacements[name as keyof T] as ((real: unknown) => unknown) | undefined;
      return replace === undefined ? real : replace(real);
    },
  });
}

/** A session store as one machine has it, that keeps nothing. */
export function memoryStore(): SessionStore {
  return new SqliteSessions(openDatabase(":memory:"));
}

export function memoryUsers(): UserDirectory {
  return new SqliteUsers(openDatabase(":memory:"));
}

/** A part that several servers share: none of them closes it. */
export function withoutClose<T extends { close(): Promise<void> }>(part: T): T {
  return new Proxy(part, {
    get(target, name) {
      if (name === "close") return async () => {};
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export function memoryPubSub(): PubSub {
  return new MemoryPubSub((error) => {
    throw error;
  });
}

/** Every method but `close` rejects with `StoreUnavailable` while it is down. */
export function breakable<T extends object>(port: T) {
  let isDown = false;
  const part = new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown =>
        isDown && name !== "close"
          ? Promise.reject(new StoreUnavailable("It is down for a test."))
          : value.apply(target, args);
    },
  });
  return { part, goDown: () => void (isDown = true), comeBack: () => void (isDown = false) };
}

/** The topics, with the number of subscriptions that they hold. */
export function countSubscriptions(pubsub: PubSub) {
  let subscriptions = 0;
  const part = intercept(pubsub, {
    subscribe: (real) => async (topic, listener) => {
      const leave = await real(topic, listener);
      subscriptions += 1;
      let left = false;
      return () => {
        if (!left) subscriptions -= 1;
        left = true;
        leave();
      };
    },
  });
  return {
    part,
    get subscriptions() {
      return subscriptions;
    },
  };
}

/** The points of a handshake, in their order. */
export const handshakePoints = [
  "before subscribing",
  "when subscribed",
  "before reading",
  "when read",
] as const;
export type HandshakePoint = (typeof handshakePoints)[number];

/** Parts that, once for each plan, do something at a point of a session's handshake and then go on. */
export function withHandshakeHooks(parts: {
  readonly store: SessionStore;
  readonly pubsub: PubSub;
}) {
  const plans = new Map<string, () => Promise<unknown>>();
  const pass = async (point: HandshakePoint, topic: string) => {
    const act = plans.get(point + topic);
    plans.delete(point + topic);
    await act?.();
  };
  const pubsub = intercept(parts.pubsub, {
    subscribe: (real) => async (topic, listener) => {
      await pass("before subscribing", topic);
      const leave = await real(topic, listener);
      await pass("when subscribed", topic);
      return leave;
    },
  });
  const store = intercept(parts.store, {
    read: (real) => async (fingerprint, now) => {
      await pass("before reading", sessionTopic(fingerprint));
      const session = await real(fingerprint, now);
      await pass("when read", sessionTopic(fingerprint));
      return session;
    },
  });
  const plan = (point: HandshakePoint, fingerprint: string, act: () => Promise<unknown>) =>
    void plans.set(point + sessionTopic(fingerprint), act);
  return { store, pubsub, plan };
}
