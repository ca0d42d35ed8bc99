/**
 * The connections of this node, grouped by session. Registers each connection under its session, and closes a
 * session's connections when the session ends.
 */
import type { ConnectionKind } from "./connection-kind.ts";
import type { ReportError } from "../lib/report-error.ts";
import type { Deadlines } from "../lib/deadlines.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import type { ConnectionLifecycle } from "./lifecycle.ts";
import type { ReportedEnd } from "../session/ends.ts";
import { readSessionMessage, sessionTopic, type SessionMessage } from "../session/messages.ts";
import type { Authentication, Sessions } from "../session/sessions.ts";
import { StoreUnavailable } from "../session/store.ts";
import type { Claims } from "../session/token.ts";
import type { PubSub } from "../session/pubsub.ts";
import { Expiry } from "./expiry.ts";
import {
  connectionsAndRequests,
  sizeOf,
  observeClosing,
  type SessionConnections,
  type Connection,
} from "./session-connections.ts";
import { noObserver, type ConnectionObserver } from "./observer.ts";
import { CloseQueue } from "./close-queue.ts";
import { Revalidation } from "./revalidate.ts";

export interface ConnectionsOptions {
  readonly sessions: Sessions;
  readonly pubsub: PubSub;
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** Monotonic clock (ms). */
  readonly uptime: () => number;
  /** Maximum number of sockets and streams of one session on this node. */
  readonly maxSocketsPerSession: number;
  /**
   * Whether a renewal moves the deadlines of connections in the same network.
   *
   * @default true
   */
  readonly extendsByNetwork?: boolean;
  readonly reportError: ReportError;
  readonly observer?: ConnectionObserver;
}

export interface Admission {
  /** The claims of the token that the client presented on the connection. */
  readonly claims: Claims;
  readonly connection: Connection;
  readonly kind: ConnectionKind;
  /**
   * Whether the caller has already accepted the token. Then a renewal since that check does not make the token invalid,
   * unless the session now refuses earlier generations (`minGeneration`).
   *
   * @default false
   */
  readonly isAuthenticated?: boolean;
}

export type AdmissionResult = Authentication | { readonly state: "tooMany" };

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #observer: ConnectionObserver;
  readonly #groups = new Map<string, SessionConnections>();
  readonly #anonymousStreams = new Set<ConnectionLifecycle>();
  readonly #closeQueue = new CloseQueue();
  readonly #expiry: Expiry;
  readonly #revalidation: Revalidation;
  readonly #stopListening: () => void;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#observer = options.observer ?? noObserver;
    const { deadlines, clock, extendsByNetwork = true } = options;
    this.#expiry = new Expiry({
      deadlines,
      clock,
      extendsByNetwork,
      closeQueue: this.#closeQueue,
      onDue: (group) => this.#revalidation.schedule(group),
    });
    this.#revalidation = new Revalidation({
      sessions: options.sessions,
      groups: this.#groups,
      expiry: this.#expiry,
      uptime: options.uptime,
      endSession: (group) => this.#closeConnections(group, "SESSION_ENDED"),
      observer: this.#observer,
      reportError: options.reportError,
    });
    this.#stopListening = options.sessions.onLocalChange((message) => this.#onMessage(message));
  }

  /** The fingerprints of the sessions that have connections or slow requests on this node. */
  get fingerprints(): string[] {
    return [...this.#groups.keys()];
  }

  /** The number of connections and slow requests of all sessions on this node. Anonymous streams are not counted. */
  get size(): number {
    return this.#groups.values().reduce((sum, group) => sum + sizeOf(group), 0);
  }

  /**
   * Registers a connection under its session and checks the session. The node first subscribes to the session's
   * topic, then waits until the subscription is confirmed, and then reads the session. In this order the node cannot
   * miss the session's end: it reads the end from the store or receives the message.
   *
   * The connection stays registered until it ends, unless the result is "tooMany" or the subscription fails.
   */
  async admit(admission: Admission): Promise<AdmissionResult> {
    const { claims, connection, isAuthenticated = false } = admission;
    const { sessions, uptime } = this.#options;
    const group = this.#register(admission);
    if (group === undefined) return { state: "tooMany" };
    try {
      await group.subscribed;
    } catch (cause) {
      if (cause instanceof StoreUnavailable) return { state: "unavailable", claims, cause };
      throw cause;
    }
    const startedAt = uptime();
    const authentication = await (isAuthenticated
      ? sessions.checkAgain(claims)
      : sessions.check(claims));
    if (authentication.state !== "signedIn") return authentication;
    const { session } = authentication;
    this.#revalidation.confirm(group, session, startedAt);
    this.#expiry.add(group, connection, session);
    const reason = this.#expiry.refusal(group, connection);
    return reason === undefined ? authentication : { state: "refused", reason, claims };
  }

  /**
   * Applies the result of a session check to a connection. The caller has made that check for one operation on the
   * connection. If the connection may not continue, it closes after its replies, and the result is "refused".
   */
  checkOperation(connection: Connection, authentication: Authentication): Authentication {
    const { state, claims } = authentication;
    if (state === "unavailable" || claims === undefined) return authentication;
    if (state === "refused") {
      if (authentication.reason === "SUPERSEDED")
        this.#closeQueue.closeAfterReplies([connection], "SESSION_EXPIRED", { isRevoked: true });
      return authentication;
    }
    const group = this.#groups.get(claims.fingerprint);
    if (group === undefined) return authentication;
    this.#expiry.apply(group, authentication.session);
    const reason = this.#expiry.refusal(group, connection);
    if (reason === undefined) return authentication;
    if (connection.lifecycle.closingFor === undefined)
      this.#closeQueue.closeAfterReplies([connection], "SESSION_EXPIRED");
    return { state: "refused", reason, claims };
  }

  /**
   * Applies a token that the client presented on an open connection. The caller has accepted the token and knows that
   * it belongs to the connection's session. A token older than the connection's newest one changes nothing.
   */
  presentToken(
    connection: Connection,
    claims: Pick<Claims, "fingerprint" | "generation" | "expiresAt">,
  ): void {
    const group = this.#groups.get(claims.fingerprint);
    if (group !== undefined) this.#expiry.present(group, connection, claims);
  }

  /**
   * Reads sessions again. Closes the connections of sessions that have ended, and the connections past their deadline.
   *
   * @param scope "unanswered": only the sessions that the store could not read last time
   * @returns why some sessions are unknown; undefined if the store could read all of them
   */
  async recheck(scope: "all" | "unanswered"): Promise<StoreUnavailable | undefined> {
    const groups = this.#groups.values();
    return this.#revalidation.read(groups.filter(({ isStale }) => scope === "all" || isStale));
  }

  /** Closes the connections of a session that has ended. */
  endSession(end: ReportedEnd): void {
    const group = this.#groups.get(end.fingerprint);
    if (group === undefined) return;
    observeClosing(group, end, this.#observer);
    this.#closeConnections(group, "SESSION_ENDED", end.reason);
  }

  /** Registers a stream that has no session. The end of a session does not close it; only a shutdown does. */
  trackAnonymous(lifecycle: ConnectionLifecycle): void {
    this.#anonymousStreams.add(lifecycle);
    lifecycle.onEnd(() => this.#anonymousStreams.delete(lifecycle));
  }

  /**
   * Closes the connections and slow requests of sessions that the store could not read last time.
   *
   * @param since a time by `uptime`. If the store answered a read that began later, the session's connections stay
   * open.
   */
  closeUnverified(since: number): void {
    for (const group of this.#groups.values())
      if (group.isStale && group.answeredAt <= since)
        this.#closeConnections(group, "TRY_AGAIN_LATER");
  }

  /** The lifecycles of all connections, signed in or anonymous. Excludes slow requests, which end by themselves. */
  get lifecycles(): ConnectionLifecycle[] {
    const connections = this.#groups.values().flatMap((group) => group.connections);
    return [...connections.map(({ lifecycle }) => lifecycle), ...this.#anonymousStreams];
  }

  /** Unsubscribes from all sessions and cancels their deadlines. Does not close the connections. */
  close(): void {
    this.#stopListening();
    for (const group of this.#groups.values()) this.#closeGroup(group);
  }

  /** Returns `undefined` if the session has too many connections on this node. */
  #register({ claims, connection, kind }: Admission): SessionConnections | undefined {
    const { fingerprint, generation, expiresAt } = claims;
    const group = this.#groups.get(fingerprint) ?? this.#openGroup(fingerprint);
    const isStream = kind === "stream";
    if (isStream && group.connections.size >= this.#options.maxSocketsPerSession) return undefined;
    connection.generation = generation;
    connection.expiresAt = isStream ? expiresAt : Infinity;
    group.requests?.delete(connection);
    (isStream ? group.connections : (group.requests ??= new Set())).add(connection);
    connection.lifecycle.onEnd(() => {
      group.connections.delete(connection);
      group.requests?.delete(connection);
      if (sizeOf(group) === 0) this.#closeGroup(group);
    });
    return group;
  }

  #openGroup(fingerprint: string): SessionConnections {
    const subscribed = this.#options.pubsub.subscribe(sessionTopic(fingerprint), (message) => {
      const sessionMessage = readSessionMessage(message);
      if (sessionMessage?.fingerprint === fingerprint) this.#onMessage(sessionMessage);
    });
    const group: SessionConnections = {
      fingerprint,
      connections: new Set(),
      requests: undefined,
      subscribed,
      accessExpiresAt: 0,
      minGeneration: 0,
      deadline: Infinity,
      cancelDeadline: () => {},
      answeredAt: this.#options.uptime(),
      isStale: false,
    };
    this.#groups.set(fingerprint, group);
    // The session's next connection opens a new group and subscribes again.
    subscribed.catch(() => this.#removeGroup(group));
    return group;
  }

  #onMessage(message: SessionMessage): void {
    const group = this.#groups.get(message.fingerprint);
    if (group === undefined) return;
    switch (message.type) {
      case "ended":
        return this.endSession(message);
      case "renewed":
        return this.#expiry.apply(group, message.session);
      case "uncertain":
        return this.#revalidation.schedule(group);
      case "replayed":
        // A replayed renewal token alone closes no connection.
        return;
    }
  }

  #closeConnections(group: SessionConnections, reason: CloseReason, endReason?: EndReason): void {
    this.#closeQueue.close(
      connectionsAndRequests(group).map(({ lifecycle }) => lifecycle),
      reason,
      endReason,
    );
  }

  /** Removes the group, cancels its deadline and unsubscribes from the session's topic. */
  #closeGroup(group: SessionConnections): void {
    this.#removeGroup(group);
    group.cancelDeadline();
    group.subscribed.then(
      (unsubscribe) => unsubscribe(),
      () => {},
    );
  }

  /** Removes the group, unless a newer group of the same session has replaced it. */
  #removeGroup(group: SessionConnections): void {
    if (this.#groups.get(group.fingerprint) === group) this.#groups.delete(group.fingerprint);
  }
}
