/** Does each step to the real sessions and to the reference, and compares what comes of it. */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { KeyRing } from "../../../src/session/keys.ts";
import type { Issued, Renewal, Sessions } from "../../../src/session/sessions.ts";
import type { SessionStore } from "../../../src/session/store.ts";
import { device, secret, startDomain, type Domain } from "../../helpers/domain.ts";
import { lifetimes, Reference, type ModelSession, type ModelToken } from "./reference.ts";

const users = ["ada", "bob"] as const;

/** Sessions and tokens are picked by number, modulo how many there are. */
export type Step =
  | { readonly do: "login"; readonly user: (typeof users)[number] }
  | { readonly do: "renew" | "renewAtOnce" | "reissue" | "logout"; readonly token: number }
  | { readonly do: "endOthers"; readonly session: number }
  /** With the token of so many generations before the current one. */
  | { readonly do: "renewOf"; readonly session: number; readonly age: number }
  | { readonly do: "end"; readonly user: (typeof users)[number]; readonly session: number }
  | { readonly do: "wait"; readonly time: number }
  /** To a moment in a session's life, or to just before it. */
  | {
      readonly do: "waitFor";
      readonly session: number;
      readonly moment: Moment;
      readonly early: 0 | 1;
    }
  | { readonly do: "addKey" | "dropKey" };

export type Moment = "graceEndsAt" | "accessExpiresAt" | "idleExpiresAt";

export class World {
  readonly #domain: Domain;
  readonly #model: Reference;
  readonly #blur: number;
  /** Stores outlive worlds, so each world has users of its own. */
  readonly #name = randomUUID();
  #subject: Sessions;

  /** @param blur milliseconds by which the store's clock for the grace may be off */
  constructor(store: SessionStore, blur: number) {
    this.#blur = blur;
    this.#domain = startDomain({ store, lifetimes });
    // Redis clears away by the wall clock what has expired.
    this.#domain.clock.now = Date.now();
    this.#model = new Reference(this.#domain.clock.now);
    this.#subject = this.#restart();
  }

  async do(step: Step): Promise<void> {
    switch (step.do) {
      case "login":
        return this.#login(step.user);
      case "wait":
        return this.#wait(step.time);
      case "waitFor":
        return this.#withSession(step.session, async (session) =>
          this.#waitFor(session, step.moment, step.early === 1),
        );
      case "addKey":
        this.#model.newestKey += 1;
        this.#subject = this.#restart();
        return;
      case "dropKey":
        this.#model.oldestKey = Math.min(this.#model.oldestKey + 1, this.#model.newestKey);
        this.#subject = this.#restart();
        return;
      case "renewOf":
        return this.#withSession(step.session, (session) => this.#renewOf(session, step.age));
      case "end":
        return this.#withSession(step.session, (session) => this.#end(step.user, session));
      case "endOthers":
        return this.#withSession(step.session, (session) => this.#endOthers(session));
      case "renew":
        return this.#withToken(step.token, (token) => this.#renew(token, 1));
      case "renewAtOnce":
        return this.#withToken(step.token, (token) => this.#renew(token, 5));
      case "reissue":
        return this.#withToken(step.token, (token) => this.#reissue(token));
      case "logout":
        return this.#withToken(step.token, (token) => this.#logout(token));
    }
  }

  async #withSession(number: number, act: (session: ModelSession) => Promise<void>): Promise<void> {
    const { sessions } = this.#model;
    const session = sessions[number % sessions.length];
    if (session !== undefined) await act(session);
  }

  async #withToken(number: number, act: (token: ModelToken) => Promise<void>): Promise<void> {
    const { tokens } = this.#model;
    const token = tokens[number % tokens.length];
    if (token !== undefined) await act(token);
  }

  /** What holds after every step. */
  async check(): Promise<void> {
    const { tokens } = this.#model;
    const answers = await Promise.all(tokens.map(({ text }) => this.#access(text)));
    expect(answers).toEqual(tokens.map((token) => this.#model.access(token)));
    this.#checkAccepted(tokens.filter((_, index) => answers[index] === "signedIn"));
    await this.#checkEnded();
    await Promise.all(users.map((user) => this.#checkList(user)));
    expect(this.#domain.reportedErrors).toEqual([]);
  }

  /** Said once more without the model's rules, so that no mistake can hide in both. */
  #checkAccepted(accepted: readonly ModelToken[]): void {
    for (const { session, expiresAt } of accepted) {
      expect(session.ended).toBe(false);
      expect(this.#model.now).toBeLessThan(expiresAt);
      expect(expiresAt).toBeLessThanOrEqual(session.createdAt + lifetimes.absolute);
      const generations = accepted.filter((token) => token.session === session);
      expect(new Set(generations.map(({ generation }) => generation)).size).toBe(1);
    }
  }

  /** Only of what has ended: to what lives, a renewal does something. */
  async #checkEnded(): Promise<void> {
    const over = this.#model.tokens.filter(({ session }) => !this.#model.isLive(session));
    const renewals = await Promise.all(over.map(({ text }) => this.#subject.renew(text)));
    for (const { outcome } of renewals) expect(outcome).toBe("refused");
  }

  async #checkList(user: string): Promise<void> {
    const expected = this.#model.liveOf(user).toSorted((a, b) => b.createdAt - a.createdAt);
    const listed = await this.#subject.list(this.#userId(user));
    expect(listed.map((one) => one.createdAt)).toEqual(expected.map((one) => one.createdAt));
    for (const session of expected)
      expect(listed).toContainEqual(expect.objectContaining(this.#record(session)));
  }

  #waitFor(session: ModelSession, moment: Moment, isEarly: boolean): void {
    const blur = moment === "graceEndsAt" ? this.#blur : 0;
    const time = session[moment] + (isEarly ? -1 - blur : blur);
    this.#wait(Math.max(time - this.#model.now, 0));
  }

  #wait(time: number): void {
    this.#domain.clock.advance(time);
    this.#model.now += time;
  }

  async #login(user: string): Promise<void> {
    const issued = await this.#subject.start(this.#userId(user), device);
    this.#keep(this.#model.start(issued.session.fingerprint, user), issued);
  }

  async #renewOf(session: ModelSession, age: number): Promise<void> {
    const token = this.#model.tokens.findLast(
      (one) =>
        one.session === session &&
        one.kind === "renewal" &&
        one.generation === session.generation - age,
    );
    if (token !== undefined) await this.#renew(token, 1);
  }

  /** By so many callers at once. */
  async #renew(token: ModelToken, callers: number): Promise<void> {
    const before = token.session.generation;
    const renewals = await Promise.all(
      Array.from({ length: callers }, () => this.#subject.renew(token.text)),
    );
    const expected = renewals.map(() => this.#model.renew(token));
    expect(renewals.map(outcomeOf).toSorted()).toEqual(expected.toSorted());
    expect(token.session.generation - before).toBeLessThanOrEqual(1);
    for (const renewal of renewals) this.#keepRenewed(token.session, renewal);
  }

  async #reissue(token: ModelToken): Promise<void> {
    const claims = this.#identify(token);
    if (claims === undefined) return;
    const renewal = await this.#subject.reissue(claims);
    expect(outcomeOf(renewal)).toBe(this.#model.reissue(token.session));
    this.#keepRenewed(token.session, renewal);
  }

  async #logout(token: ModelToken): Promise<void> {
    const claims = this.#identify(token);
    if (claims === undefined) return;
    const ended = await this.#subject.endByToken(claims, "LOGOUT");
    expect(ended).toBe(this.#model.logout(token));
  }

  async #end(user: string, session: ModelSession): Promise<void> {
    const { fingerprint } = session;
    const ended = await this.#subject.endOwn(this.#userId(user), fingerprint, "ENDED_BY_USER");
    expect(ended).toBe(user === session.user ? this.#model.end(session) : 0);
  }

  async #endOthers({ user, fingerprint }: ModelSession): Promise<void> {
    const others = this.#model.liveOf(user).filter((one) => one.fingerprint !== fingerprint);
    const ended = await this.#subject.endOthers(this.#userId(user), fingerprint, "LOGOUT");
    expect(ended).toBe(others.length);
    for (const other of others) this.#model.end(other);
  }

  /** The claims of any token, expired or not, as long as its key is in the ring. */
  #identify(token: ModelToken) {
    const claims = this.#subject.identify(token.text);
    expect(claims?.fingerprint).toBe(
      this.#model.isSigned(token) ? token.session.fingerprint : undefined,
    );
    return claims;
  }

  #keepRenewed(session: ModelSession, renewal: Renewal): void {
    if (renewal.outcome === "renewed") this.#keep(session, renewal);
  }

  /** A pair is always that of the session's current generation, and the same for all who get it. */
  #keep(session: ModelSession, { session: record, tokens }: Issued): void {
    expect(record).toMatchObject(this.#record(session));
    const { generation, accessExpiresAt, idleExpiresAt } = session;
    const shared = { session, generation, key: this.#model.newestKey };
    const pair: ModelToken[] = [
      { ...shared, kind: "access", expiresAt: accessExpiresAt, text: tokens.accessToken },
      { ...shared, kind: "renewal", expiresAt: idleExpiresAt, text: tokens.renewalToken },
    ];
    const known = this.#model.tokens.filter(
      (token) => token.session === session && token.generation === generation,
    );
    const same = known.filter(({ key }) => key === this.#model.newestKey);
    if (same.length === 0) this.#model.tokens.push(...pair);
    else expect(same).toEqual(pair);
  }

  /** What a store should know of it. */
  #record({ graceEndsAt, ...rest }: ModelSession) {
    const { user: _user, ended: _ended, ...session } = rest;
    return {
      ...session,
      graceEndsAt: expect.closeTo(graceEndsAt, -Math.log10(2 * (this.#blur + 0.5))) as number,
    };
  }

  async #access(text: string): Promise<string> {
    const answer = await this.#subject.authenticate(text);
    return answer.state === "refused" ? answer.reason : answer.state;
  }

  /** The server again, with the keys of now. */
  #restart(): Sessions {
    const { oldestKey, newestKey } = this.#model;
    const keys = Array.from({ length: newestKey - oldestKey + 1 }, (_, i) => newestKey - i);
    return this.#domain.node({ ring: new KeyRing(keys.map((key) => secret(`key ${key}`))) });
  }

  #userId(user: string): string {
    return `${user} of ${this.#name}`;
  }
}

function outcomeOf(renewal: Renewal): string {
  return renewal.outcome === "refused" ? renewal.reason : renewal.outcome;
}
