/** Everything long-lived that runs on this node, by session: how it comes under its session and ends with it. */
import type { Stay } from "../graphql/caller.ts";
import type { OnFault } from "../session/fault.ts";
import type { Deadlines } from "../session/deadlines.ts";
import type { Ending, Life } from "../session/life.ts";
import { readSessionMessage, sessionTopic, type SessionMessage } from "../session/messages.ts";
import type { Standing } from "../session/session.ts";
import type { Authentication, Sessions } from "../session/sessions.ts";
import { StoreUnavailable, type SessionReading } from "../session/store.ts";
import type { Claims } from "../session/token.ts";
import type { Topics } from "../session/topics.ts";
import { fromNobody } from "../telemetry/origin.ts";
import { hasOpen, sizeOf, tellOfClosing, type Group } from "./group.ts";
import { noMeter, type Meter } from "./meter.ts";
import { reread } from "./reread.ts";
import { Slices } from "./slices.ts";

export interface ConnectionsOptions {
  readonly sessions: Sessions;
  readonly topics: Topics;
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** Milliseconds of a clock that nobody sets. */
  readonly uptime: () => number;
  /** Connections that one session may have on this node. */
  readonly maxPerSession: number;
  readonly onFault: OnFault;
  readonly meter?: Meter;
}

/** What came of a wish to run under a session. */
export type Admission = Authentication | { readonly state: "tooMany" };

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #meter: Meter;
  readonly #groups = new Map<string, Group>();
  readonly #strangers = new Set<Life>();
  readonly #slices = new Slices();
  /** Those whose session is to be read in this turn of the event loop. */
  #doubtful: Group[] = [];
  readonly #stopWitnessing: () => void;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#meter = options.meter ?? noMeter;
    this.#stopWitnessing = options.sessions.witness((message) => this.#hear(message));
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
   * Puts a life under the session of these claims: joins the session's topic, waits until that is
   * confirmed, and only then reads the session, so that an end is either read or heard. Whatever the
   * outcome, the life stays a member until it ends.
   */
  async admit(
    claims: Claims,
    life: Life,
    check: () => Promise<Authentication>,
    stay: Stay,
  ): Promise<Admission> {
    const group = this.#join(claims.fingerprint, life, stay);
    if (group === undefined) return { state: "tooMany" };
    try {
      await group.subscribed;
    } catch (cause) {
      if (cause instanceof StoreUnavailable) return { state: "unavailable", claims, cause };
      throw cause;
    }
    const asked = this.#options.uptime();
    const authentication = await check();
    if (authentication.state === "signedIn") this.#stands(group, authentication.session, asked);
    return authentication;
  }

  /**
   * Reads all sessions again, or those that the store did not answer for, and does what has to be done
   * about them. Resolves to why some are not known, if some are not.
   */
  async recheck(whom: "all" | "unanswered"): Promise<StoreUnavailable | undefined> {
    const groups = this.#groups.values();
    return this.#reread(groups.filter(({ isUnanswered }) => whom === "all" || isUnanswered));
  }

  async #reread(groups: Iterable<Group>): Promise<StoreUnavailable | undefined> {
    const { sessions, uptime } = this.#options;
    const asked = uptime();
    return reread(
      Array.from(groups, ({ fingerprint }) => fingerprint),
      {
        read: (fingerprints) => sessions.readMany(fingerprints),
        tell: (fingerprint, reading) => this.#learn(fingerprint, reading, asked),
      },
    );
  }

  #learn(fingerprint: string, reading: SessionReading, asked: number): void {
    const group = this.#groups.get(fingerprint);
    if (group === undefined) return;
    switch (reading.state) {
      case "unknown":
        group.isUnanswered = true;
        return;
      case "absent":
        if (hasOpen(group)) this.#meter.found();
        return this.#end(group, "ENDED");
      case "live":
        // A renewal may have been heard while this was read.
        this.#stands(group, reading.standing, asked);
        if (group.accessExpiresAt <= this.#options.clock()) this.#end(group, "EXPIRED");
    }
  }

  /** For a stream without a session, which only the server itself ends. */
  shelter(life: Life): void {
    this.#strangers.add(life);
    life.onEnd(() => this.#strangers.delete(life));
  }

  /**
   * Ends everything that runs under a session which the store does not answer for, and has not since.
   *
   * @param since by `uptime`
   */
  giveUp(since: number): void {
    for (const group of this.#groups.values())
      if (group.isUnanswered && group.answeredAt <= since) this.#end(group, "UNAVAILABLE");
  }

  /** All that is connected, signed in or not; requests are answered and done. */
  get lives(): Life[] {
    return [...this.#groups.values().flatMap((group) => group.lives), ...this.#strangers];
  }

  close(): void {
    this.#stopWitnessing();
    for (const group of this.#groups.values()) this.#drop(group);
  }

  #join(fingerprint: string, life: Life, stay: Stay): Group | undefined {
    const group = this.#groups.get(fingerprint) ?? this.#open(fingerprint);
    const isStream = stay === "stream";
    if (isStream && group.lives.size >= this.#options.maxPerSession) return undefined;
    group.requests?.delete(life);
    (isStream ? group.lives : (group.requests ??= new Set())).add(life);
    life.onEnd(() => {
      group.lives.delete(life);
      group.requests?.delete(life);
      if (sizeOf(group) === 0) this.#drop(group);
    });
    return group;
  }

  #open(fingerprint: string): Group {
    const subscribed = this.#options.topics.subscribe(sessionTopic(fingerprint), (message) => {
      const read = readSessionMessage(message);
      if (read?.fingerprint === fingerprint) this.#hear(read);
    });
    const group: Group = {
      fingerprint,
      lives: new Set(),
      requests: undefined,
      subscribed,
      accessExpiresAt: 0,
      cancelDeadline: () => {},
      answeredAt: this.#options.uptime(),
      isUnanswered: false,
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
        tellOfClosing(group, message, this.#meter);
        return this.#end(group, "ENDED");
      case "renewed":
        return this.#extend(group, message.session);
      case "uncertain":
        return this.#look(group);
      case "replayed":
        // Nothing of it concerns connections.
        return;
    }
  }

  /** So the store says. */
  #stands(group: Group, standing: Standing, asked: number): void {
    // First of all, for it throws where an app's store gave no standing.
    this.#extend(group, standing);
    group.answeredAt = Math.max(group.answeredAt, asked);
    group.isUnanswered = false;
  }

  #extend(group: Group, { accessExpiresAt }: Standing): void {
    if (accessExpiresAt <= group.accessExpiresAt || sizeOf(group) === 0) return;
    group.accessExpiresAt = accessExpiresAt;
    group.cancelDeadline();
    // The message of a renewal may have been lost: the store has the last word.
    group.cancelDeadline = this.#options.deadlines.set(accessExpiresAt, () => this.#look(group));
  }

  /** Very many deadlines are met at one tick: they share their reads. */
  #look(group: Group): void {
    if (this.#doubtful.length === 0)
      queueMicrotask(() => void fromNobody(() => this.#lookAtDoubtful()));
    this.#doubtful.push(group);
  }

  async #lookAtDoubtful(): Promise<void> {
    const { clock, onFault } = this.#options;
    const groups = this.#doubtful;
    this.#doubtful = [];
    const failure: unknown = await this.#reread(groups).catch((error: unknown) => error);
    if (failure === undefined) return;
    // Of a store that breaks its contract too: whose access has run out and is not known to go on, ends.
    for (const group of groups)
      if (group.accessExpiresAt <= clock()) this.#end(group, "UNAVAILABLE");
    onFault("sessions could not be read", failure);
  }

  #end(group: Group, ending: Ending): void {
    this.#slices.end([...group.lives, ...(group.requests ?? [])], ending);
  }

  #drop(group: Group): void {
    this.#forget(group);
    group.cancelDeadline();
    group.subscribed.then(
      (unsubscribe) => unsubscribe(),
      () => {},
    );
  }

  #forget(group: Group): void {
    if (this.#groups.get(group.fingerprint) === group) this.#groups.delete(group.fingerprint);
  }
}
