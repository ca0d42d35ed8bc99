/** The connections of this node by session: admits each under its session, and closes them when the session ends. */
import type { ConnectionKind } from "./connection-kind.ts";
import type { ReportError } from "../lib/report-error.ts";
import type { Deadlines } from "../lib/deadlines.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { ConnectionLifecycle } from "./lifecycle.ts";
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
  /** Claims of the token that was presented on the connection. */
  readonly claims: Claims;
  readonly connection: Connection;
  readonly kind: ConnectionKind;
  /**
   * Whether the token's generation was accepted before: then a renewal since does not matter.
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
  readonly #anonymous = new Set<ConnectionLifecycle>();
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
      endSession: (group) => this.#end(group, "SESSION_ENDED"),
      observer: this.#observer,
      reportError: options.reportError,
    });
    this.#stopListening = options.sessions.onLocalChange((message) => this.#onMessage(message));
  }

  /** The sessions that have connections on this node. */
  get fingerprints(): string[] {
    return [...this.#groups.keys()];
  }

  /** Number of connections under a session, including slow requests. */
  get size(): number {
    return this.#groups.values().reduce((sum, group) => sum + sizeOf(group), 0);
  }

  /**
   * Puts a connection under its session. Subscribes to the session's topic, waits for the confirmation and only
   * then reads the session, so that an end is either read or received. Whatever the result, the connection stays
   * registered until it ends.
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
   * Applies a check of the session that was made for one operation to the operation's connection. A connection that
   * may not continue is closed after its replies, and the result says "refused".
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

  /** Applies an accepted token of the connection's own session. An older token changes nothing. */
  presentToken(
    connection: Connection,
    claims: Pick<Claims, "fingerprint" | "generation" | "expiresAt">,
  ): void {
    const group = this.#groups.get(claims.fingerprint);
    if (group !== undefined) this.#expiry.present(group, connection, claims);
  }

  /**
   * Reads all sessions again, or those that the store last failed to answer for, and closes the connections whose
   * session is over.
   *
   * @returns why some sessions are unknown, or undefined when the store answered for all
   */
  async recheck(scope: "all" | "unanswered"): Promise<StoreUnavailable | undefined> {
    const groups = this.#groups.values();
    return this.#revalidation.read(groups.filter(({ isStale }) => scope === "all" || isStale));
  }

  /** Registers a stream without a session, which only a shutdown ends. */
  trackAnonymous(lifecycle: ConnectionLifecycle): void {
    this.#anonymous.add(lifecycle);
    lifecycle.onEnd(() => this.#anonymous.delete(lifecycle));
  }

  /**
   * Ends the connections of sessions that the store has not answered for.
   *
   * @param since sessions with a later answer are spared (by `uptime`)
   */
  closeUnverified(since: number): void {
    for (const group of this.#groups.values())
      if (group.isStale && group.answeredAt <= since) this.#end(group, "TRY_AGAIN_LATER");
  }

  /** All connections, signed in or anonymous; slow requests are not included, because they end by themselves. */
  get lifecycles(): ConnectionLifecycle[] {
    const connections = this.#groups.values().flatMap((group) => group.connections);
    return [...connections.map(({ lifecycle }) => lifecycle), ...this.#anonymous];
  }

  close(): void {
    this.#stopListening();
    for (const group of this.#groups.values()) this.#drop(group);
  }

  /** Undefined when the session has too many connections. */
  #register({ claims, connection, kind }: Admission): SessionConnections | undefined {
    const { fingerprint, generation, expiresAt } = claims;
    const group = this.#groups.get(fingerprint) ?? this.#open(fingerprint);
    const isStream = kind === "stream";
    if (isStream && group.connections.size >= this.#options.maxSocketsPerSession) return undefined;
    connection.generation = generation;
    connection.expiresAt = isStream ? expiresAt : Infinity;
    group.requests?.delete(connection);
    (isStream ? group.connections : (group.requests ??= new Set())).add(connection);
    connection.lifecycle.onEnd(() => {
      group.connections.delete(connection);
      group.requests?.delete(connection);
      if (sizeOf(group) === 0) this.#drop(group);
    });
    return group;
  }

  #open(fingerprint: string): SessionConnections {
    const subscribed = this.#options.pubsub.subscribe(sessionTopic(fingerprint), (message) => {
      const read = readSessionMessage(message);
      if (read?.fingerprint === fingerprint) this.#onMessage(read);
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
    // The next connection tries to subscribe again.
    subscribed.catch(() => this.#forget(group));
    return group;
  }

  #onMessage(message: SessionMessage): void {
    const group = this.#groups.get(message.fingerprint);
    if (group === undefined) return;
    switch (message.type) {
      case "ended":
        observeClosing(group, message, this.#observer);
        return this.#end(group, "SESSION_ENDED");
      case "renewed":
        return this.#expiry.apply(group, message.session);
      case "uncertain":
        return this.#revalidation.schedule(group);
      case "replayed":
        // Does not concern connections.
        return;
    }
  }

  #end(group: SessionConnections, reason: CloseReason): void {
    this.#closeQueue.close(
      connectionsAndRequests(group).map(({ lifecycle }) => lifecycle),
      reason,
    );
  }

  #drop(group: SessionConnections): void {
    this.#forget(group);
    group.cancelDeadline();
    group.subscribed.then(
      (unsubscribe) => unsubscribe(),
      () => {},
    );
  }

  #forget(group: SessionConnections): void {
    if (this.#groups.get(group.fingerprint) === group) this.#groups.delete(group.fingerprint);
  }
}
