/** Connections over a store and a pub/sub whose calls fast-check completes in any order. */
import { randomBytes } from "node:crypto";
import type * as fc from "fast-check";
import { Deadlines } from "../../src/lib/deadlines.ts";
import { KeyRing } from "../../src/session/keys.ts";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import type { Issued } from "../../src/session/sessions.ts";
import { Sessions } from "../../src/session/sessions.ts";
import type { SessionStore } from "../../src/session/store.ts";
import type { PubSub } from "../../src/session/pubsub.ts";
import { Connections } from "../../src/connections/connections.ts";
import { newConnection } from "../../src/connections/session-connections.ts";
import { fakeClock, secrets } from "./curfew.ts";
import { rethrowReported } from "./domain.ts";
import { countSubscriptions, intercept, memoryStore, memoryPubSub } from "./backends.ts";
import { device, lifetimes } from "./sessions.ts";
import { everyoneEnabled } from "./users.ts";

/** Schedules each call's request and reply separately, so that anything may happen between them. */
function scheduledStore(scheduler: fc.Scheduler, store: SessionStore): SessionStore {
  const late =
    <A extends unknown[], R>(name: string) =>
    (real: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await scheduler.schedule(Promise.resolve(), `${name}: asked`);
      const answer = await real(...args);
      await scheduler.schedule(Promise.resolve(), `${name}: answered`);
      return answer;
    };
  return intercept(store, {
    read: late("read"),
    readMany: late("readMany"),
    renew: late("renew"),
    end: late("end"),
  });
}

export interface Safeguards {
  /** `subscribe` resolves only when the subscription is active. */
  readonly acknowledgement: boolean;
}

function scheduledPubSub(
  scheduler: fc.Scheduler,
  pubsub: PubSub,
  { acknowledgement }: Safeguards,
): PubSub {
  return intercept(pubsub, {
    subscribe: (real) => async (topic, listener) => {
      const subscribed = scheduler.schedule(Promise.resolve(), "subscribe").then(async () => {
        return real(topic, listener);
      });
      if (!acknowledgement) return () => void subscribed.then((unsubscribe) => unsubscribe());
      const unsubscribe = await subscribed;
      await scheduler.schedule(Promise.resolve(), "subscribed");
      return unsubscribe;
    },
    publish: (real) => async (topic, message) => {
      await scheduler.schedule(Promise.resolve(), "publish");
      await real(topic, message);
    },
  });
}

/** A node with connections, and a second node that renews and ends their sessions. */
export async function scheduledNode(
  scheduler: fc.Scheduler,
  sessionCount: number,
  safeguards: Safeguards = { acknowledgement: true },
) {
  const clock = fakeClock();
  const deadlines = new Deadlines(clock(), rethrowReported);
  const store = memoryStore();
  const pubsub = countSubscriptions(memoryPubSub());
  const reportedErrors: unknown[] = [];
  const domain = {
    store: scheduledStore(scheduler, store),
    pubsub: scheduledPubSub(scheduler, pubsub.part, safeguards),
    ring: new KeyRing(secrets),
    lifetimes,
    userStatus: everyoneEnabled,
    clock,
    randomBytes,
    reportError: (_what: string, error: unknown) => reportedErrors.push(error),
  };
  const issued: Issued[] = [];
  const starter = new Sessions({ ...domain, store, pubsub: memoryPubSub() });
  for (let i = 0; i < sessionCount; i += 1) issued.push(await starter.start("user", device));
  const here = new Sessions(domain);
  const there = new Sessions(domain);
  const { reportError } = domain;
  const connections = new Connections({
    sessions: here,
    pubsub: domain.pubsub,
    deadlines,
    clock,
    uptime: clock,
    maxSocketsPerSession: 3,
    reportError,
  });

  const open: { readonly lifecycle: ConnectionLifecycle; readonly fingerprint: string }[] = [];
  const of = (session: number) => issued[session % sessionCount] as Issued;
  /** Connects as a transport does: a connection that is not admitted ends. */
  const connect = async (session: number) => {
    const { tokens, session: known } = of(session);
    const reading = here.verify(tokens.accessToken);
    const lifecycle = new ConnectionLifecycle(rethrowReported);
    if (!reading.ok) return;
    open.push({ lifecycle, fingerprint: known.fingerprint });
    const { claims } = reading;
    const admission = await connections.admit({
      claims,
      connection: newConnection(lifecycle, device),
      kind: "stream",
    });
    if (admission.state !== "signedIn") lifecycle.end("SESSION_ENDED");
  };
  return {
    clock,
    deadlines,
    pubsub,
    reportedErrors,
    connections,
    store,
    open,
    connect,
    disconnect: (index: number) =>
      open[index % Math.max(1, open.length)]?.lifecycle.end("CLIENT_GONE"),
    end: async (session: number) => there.end(of(session).session.fingerprint, "LOGOUT"),
    endHere: async (session: number) => here.end(of(session).session.fingerprint, "LOGOUT"),
    renew: async (session: number) => there.renew(of(session).tokens.renewalToken),
    recheck: async () => connections.recheck("all"),
    /** Advances the clock (ms) and runs the deadlines that are due. */
    advance: (time: number) => {
      clock.advance(time);
      deadlines.tick(clock());
    },
  };
}
