/** Everything long-lived that runs on this node, by session: how it comes under its session and ends with it. */
import type { ConnectionKind } from "./connection-kind.ts";
import type { ReportError } from "../lib/report-error.ts";
import type { Deadlines } from "../lib/deadlines.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { ConnectionLifecycle } from "./lifecycle.ts";
import { readSessionMessage, sessionTopic, type SessionMessage } from "../session/messages.ts";
import type { SessionExpiry } from "../session/session.ts";
import type { Authentication, Sessions } from "../session/sessions.ts";
import { StoreUnavailable, type SessionLookup } from "../session/store.ts";
import type { Claims } from "../session/token.ts";
import type { PubSub } from "../session/pubsub.ts";
import { withoutLogContext } from "../lib/log-context.ts";
import { Expiry } from "./expiry.ts";
import { closeAfterAnswers } from "./finish.ts";
import {
  hasOpen,
  connectionsAndRequests,
  sizeOf,
  observeClosing,
  type SessionConnections,
  type Connection,
} from "./session-connections.ts";
import { noObserver, type ConnectionObserver } from "./observer.ts";
import { bulkRead } from "./bulk-read.ts";
import { CloseQueue } from "./close-queue.ts";

export interface ConnectionsOptions {
  readonly sessions: Sessions;
  readonly pubsub: PubSub;
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** Milliseconds of a clock that nobody sets. */
  readonly uptime: () => number;
  /** Connections that one session may have on this node. */
  readonly maxSocketsPerSession: number;
  /** Whether a renewal moves the deadlines of connections from its own network. Default: true. */
  readonly extendsByNetwork?: boolean;
  readonly reportError: ReportError;
  readonly observer?: ConnectionObserver;
}

/** What came of a wish to run under a session. */
export type Admission = Authentication | { readonly state: "tooMany" };

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #observer: ConnectionObserver;
  readonly #groups = new Map<string, SessionConnections>();
  readonly #strangers = new Set<ConnectionLifecycle>();
  readonly #slices = new CloseQueue();
  readonly #expiry: Expiry;
  /** Those whose session is to be read in this turn of the event loop. */
  #doubtful: SessionConnections[] = [];
  readonly #stopWitnessing: () => void;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#observer = options.observer ?? noObserver;
    const { deadlines, clock, extendsByNetwork = true } = options;
    const onDue = (group: SessionConnections) => this.#look(group);
    this.#expiry = new Expiry({ deadlines, clock, extendsByNetwork, slices: this.#slices, onDue });
    this.#stopWitnessing = options.sessions.onLocalChange((message) => this.#hear(message));
  }

  /** The sessions that have connections here. */
  get fingerprints(): string[] {
    return [...this.#groups.keys()];
  }

  /** What runs under a session here, slow requests among it. */
  get size(): number {
    return this.#groups.values().reduce((sum, group) => sum + sizeOf(group), 0);
  }

  /**
   * Puts a member under the session of these claims, which were shown on it: joins the session's topic, waits
   * until that is confirmed, and only then reads the session, so that an end is either read or heard. Whatever
   * the outcome, it stays a member until its life ends.
   */
  async admit(
    claims: Claims,
    member: Connection,
    check: () => Promise<Authentication>,
    stay: ConnectionKind,
  ): Promise<Admission> {
    const group = this.#join(claims, member, stay);
    if (group === undefined) return { state: "tooMany" };
    try {
      await group.subscribed;
    } catch (cause) {
      if (cause instanceof StoreUnavailable) return { state: "unavailable", claims, cause };
      throw cause;
    }
    const asked = this.#options.uptime();
    const authentication = await check();
    if (authentication.state !== "signedIn") return authentication;
    const { session } = authentication;
    this.#stands(group, session, asked);
    this.#expiry.add(group, member, session);
    const reason = this.#expiry.refusal(group, member);
    return reason === undefined ? authentication : { state: "refused", reason, claims };
  }

  /**
   * Judges a member by a check of its session that was made for one of its operations. One that may not go on is
   * refused, and closes.
   */
  checkOperation(member: Connection, authentication: Authentication): Authentication {
    const { state, claims } = authentication;
    if (state === "unavailable" || claims === undefined) return authentication;
    if (state === "refused") {
      if (authentication.reason === "SUPERSEDED")
        closeAfterAnswers([member], "SESSION_EXPIRED", this.#slices, { isRevoked: true });
      return authentication;
    }
    const group = this.#groups.get(claims.fingerprint);
    if (group === undefined) return authentication;
    this.#expiry.apply(group, authentication.session);
    const reason = this.#expiry.refusal(group, member);
    if (reason === undefined) return authentication;
    if (member.lifecycle.closingFor === undefined)
      closeAfterAnswers([member], "SESSION_EXPIRED", this.#slices);
    return { state: "refused", reason, claims };
  }

  /** A token of the member's own session was shown on it, and is accepted. Moves nothing back. */
  show(member: Connection, claims: Pick<Claims, "fingerprint" | "generation" | "expiresAt">): void {
    const group = this.#groups.get(claims.fingerprint);
    if (group !== undefined) this.#expiry.show(group, member, claims);
  }

  /**
   * Reads all sessions again, or those that the store did not answer for, and does what has to be done
   * about them. Resolves to why some are not known, if some are not.
   */
  async recheck(whom: "all" | "unanswered"): Promise<StoreUnavailable | undefined> {
    const groups = this.#groups.values();
    return this.#reread(
      groups.filter(({ isStale: isUnanswered }) => whom === "all" || isUnanswered),
    );
  }

  async #reread(groups: Iterable<SessionConnections>): Promise<StoreUnavailable | undefined> {
    const { sessions, uptime } = this.#options;
    const asked = uptime();
    return bulkRead(
      Array.from(groups, ({ fingerprint }) => fingerprint),
      {
        read: (fingerprints) => sessions.readMany(fingerprints),
        onLookup: (fingerprint, reading) => this.#learn(fingerprint, reading, asked),
      },
    );
  }

  #learn(fingerprint: string, reading: SessionLookup, asked: number): void {
    const group = this.#groups.get(fingerprint);
    if (group === undefined) return;
    switch (reading.state) {
      case "unknown":
        group.isStale = true;
        return;
      case "absent":
        if (hasOpen(group)) this.#observer.missedEndDetected();
        return this.#end(group, "SESSION_ENDED");
      case "live":
        // A renewal may have been heard while this was read.
        this.#stands(group, reading.standing, asked);
        this.#expiry.close(group, "SESSION_EXPIRED");
    }
  }

  /** For a stream without a session, which only the server itself ends. */
  trackAnonymous(lifecycle: ConnectionLifecycle): void {
    this.#strangers.add(lifecycle);
    lifecycle.onEnd(() => this.#strangers.delete(lifecycle));
  }

  /**
   * Ends everything that runs under a session which the store does not answer for, and has not since.
   *
   * @param since by `uptime`
   */
  closeUnverified(since: number): void {
    for (const group of this.#groups.values())
      if (group.isStale && group.answeredAt <= since) this.#end(group, "TRY_AGAIN_LATER");
  }

  /** All that is connected, signed in or not; requests are answered and done. */
  get lifecycles(): ConnectionLifecycle[] {
    const members = this.#groups.values().flatMap((group) => group.connections);
    return [...members.map(({ lifecycle }) => lifecycle), ...this.#strangers];
  }

  close(): void {
    this.#stopWitnessing();
    for (const group of this.#groups.values()) this.#drop(group);
  }

  #join(claims: Claims, member: Connection, stay: ConnectionKind): SessionConnections | undefined {
    const { fingerprint, generation, expiresAt } = claims;
    const group = this.#groups.get(fingerprint) ?? this.#open(fingerprint);
    const isStream = stay === "stream";
    if (isStream && group.connections.size >= this.#options.maxSocketsPerSession) return undefined;
    member.generation = generation;
    member.expiresAt = isStream ? expiresAt : Infinity;
    group.requests?.delete(member);
    (isStream ? group.connections : (group.requests ??= new Set())).add(member);
    member.lifecycle.onEnd(() => {
      group.connections.delete(member);
      group.requests?.delete(member);
      if (sizeOf(group) === 0) this.#drop(group);
    });
    return group;
  }

  #open(fingerprint: string): SessionConnections {
    const subscribed = this.#options.pubsub.subscribe(sessionTopic(fingerprint), (message) => {
      const read = readSessionMessage(message);
      if (read?.fingerprint === fingerprint) this.#hear(read);
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
    // A topic that could not be had is tried again by the next connection.
    subscribed.catch(() => this.#forget(group));
    return group;
  }

  #hear(message: SessionMessage): void {
    const group = this.#groups.get(message.fingerprint);
    if (group === undefined) return;
    switch (message.type) {
      case "ended":
        observeClosing(group, message, this.#observer);
        return this.#end(group, "SESSION_ENDED");
      case "renewed":
        return this.#expiry.apply(group, message.session);
      case "uncertain":
        return this.#look(group);
      case "replayed":
        // Nothing of it concerns connections.
        return;
    }
  }

  /** So the store says. */
  #stands(group: SessionConnections, standing: SessionExpiry, asked: number): void {
    // First of all, for it throws where an app's store gave no standing.
    this.#expiry.apply(group, standing);
    group.answeredAt = Math.max(group.answeredAt, asked);
    group.isStale = false;
  }

  /** Very many deadlines are met at one tick: they share their reads. */
  #look(group: SessionConnections): void {
    if (this.#doubtful.length === 0)
      queueMicrotask(() => void withoutLogContext(() => this.#lookAtDoubtful()));
    this.#doubtful.push(group);
  }

  async #lookAtDoubtful(): Promise<void> {
    const { reportError } = this.#options;
    const groups = this.#doubtful;
    this.#doubtful = [];
    const failure: unknown = await this.#reread(groups).catch((error: unknown) => error);
    if (failure === undefined) return;
    // Of a store that breaks its contract too: whose deadline has come and is not known to have moved, ends.
    for (const group of groups) this.#expiry.close(group, "TRY_AGAIN_LATER");
    reportError("sessions could not be read", failure);
  }

  #end(group: SessionConnections, ending: CloseReason): void {
    this.#slices.close(
      connectionsAndRequests(group).map(({ lifecycle }) => lifecycle),
      ending,
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
