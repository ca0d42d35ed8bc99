/** Wrappers for real backends that let a test pause, break or count their calls. */
import { endsTopic, sessionTopic } from "../../src/session/messages.ts";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import type { PubSub } from "../../src/session/pubsub.ts";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { openDatabase } from "./adapters.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import type { UserDirectory } from "../../src/users/directory.ts";
import { SqliteUsers } from "../../src/users/sqlite.ts";

/** Replaces some methods of a port; each replacement receives the real method. */
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

/** A SQLite session store in memory. */
export function memoryStore(): SessionStore {
  return new SqliteSessions(openDatabase(":memory:"));
}

export function memoryUsers(): UserDirectory {
  return new SqliteUsers(openDatabase(":memory:"));
}

/** A backend that several servers share: `close` does nothing. */
export function withoutClose<T extends { close(): Promise<void> }>(backend: T): T {
  return new Proxy(backend, {
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

/** While the backend is down, every method except `close` rejects with `StoreUnavailable`. */
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

/**
 * A pub/sub that counts its open subscriptions.
 *
 * @param isCounted by default, leaves out those that each node has from its start: see `EndChannel`
 */
export function countSubscriptions(
  pubsub: PubSub,
  isCounted = (topic: string) => !topic.startsWith(endsTopic),
) {
  let subscriptions = 0;
  const part = intercept(pubsub, {
    subscribe: (real) => async (topic, listener) => {
      const unsubscribe = await real(topic, listener);
      if (!isCounted(topic)) return unsubscribe;
      subscriptions += 1;
      let unsubscribed = false;
      return () => {
        if (!unsubscribed) subscriptions -= 1;
        unsubscribed = true;
        unsubscribe();
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

/** The steps of a session's handshake, in order. */
export const handshakePoints = [
  "before subscribing",
  "when subscribed",
  "before reading",
  "when read",
] as const;
export type HandshakePoint = (typeof handshakePoints)[number];

/** Backends that run planned actions, once each, at a point of a session's handshake. */
export function withHandshakeHooks(backends: {
  readonly store: SessionStore;
  readonly pubsub: PubSub;
}) {
  const plans = new Map<string, () => Promise<unknown>>();
  const reach = async (point: HandshakePoint, topic: string) => {
    const action = plans.get(point + topic);
    plans.delete(point + topic);
    await action?.();
  };
  const pubsub = intercept(backends.pubsub, {
    subscribe: (real) => async (topic, listener) => {
      await reach("before subscribing", topic);
      const unsubscribe = await real(topic, listener);
      await reach("when subscribed", topic);
      return unsubscribe;
    },
  });
  const store = intercept(backends.store, {
    read: (real) => async (fingerprint, now) => {
      await reach("before reading", sessionTopic(fingerprint));
      const session = await real(fingerprint, now);
      await reach("when read", sessionTopic(fingerprint));
      return session;
    },
  });
  const plan = (point: HandshakePoint, fingerprint: string, action: () => Promise<unknown>) =>
    void plans.set(point + sessionTopic(fingerprint), action);
  return { store, pubsub, plan };
}
