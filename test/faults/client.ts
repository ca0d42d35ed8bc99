/** An honest client of several nodes: signs in, uses its session, keeps it fresh and signs out, and notes it all. */
import { hash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { ask, password } from "../helpers/http.ts";
import type { Random } from "./random.ts";
import { failure, Socket, viewed, whoAmI, type Address } from "./sockets.ts";
import { EventStream } from "./streams.ts";
import type { Trace } from "./trace.ts";

interface Pair {
  readonly accessToken: string;
  readonly renewalToken: string;
}

const signedIn = `... on SignedIn { tokens { accessToken renewalToken } viewer { session { id } } }`;
const maxConnections = 4;
/** What lasts under a session. */
const kinds = [Socket, EventStream] as const;

export interface ClientOptions {
  readonly trace: Trace;
  readonly nodes: readonly Address[];
  readonly email: string;
  readonly random: Random;
  /** Sends nothing on its sockets: an operation would find out that the session has ended. */
  readonly quiet?: boolean;
}

export class Client {
  readonly #trace: Trace;
  readonly #nodes: readonly Address[];
  readonly #email: string;
  readonly #random: Random;
  readonly #quiet: boolean;
  #pair: Pair | undefined;
  #session = "";
  #connections: (Socket | EventStream)[] = [];
  #stopped = false;
  #over = false;
  #running: Promise<void> = Promise.resolve();
  /** After a renewal whose outcome is unknown, the access token may be superseded: renewed first. */
  #inDoubt = false;
  /** When the last login, renewal or use that succeeded was begun. */
  lastSuccess = -Infinity;

  constructor({ trace, nodes, email, random, quiet = false }: ClientOptions) {
    this.#trace = trace;
    this.#nodes = nodes;
    this.#email = email;
    this.#random = random;
    this.#quiet = quiet;
  }

  /** The id of the session that it has, or had last. */
  get session(): string {
    return this.#session;
  }

  get openConnections(): number {
    return this.#connections.filter(({ isOpen }) => isOpen).length;
  }

  /** Does what clients do, one after the other, until it is stopped. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    for (const connection of this.#connections) connection.terminate();
    await Promise.all(this.#connections.map(({ closed }) => closed));
  }

  async login(node = this.#random.pick(this.#nodes)): Promise<void> {
    const done = this.#trace.invoke({ name: "login", node: node.name });
    const begun = this.#trace.now();
    const answer = await this.#ask(
      node,
      `mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { ${signedIn} } }`,
      { variables: { email: this.#email, password } },
    );
    const result = answer?.data?.login;
    if (result?.tokens === undefined) return done({ kind: "unknown" });
    this.#session = result.viewer.session.id as string;
    this.#pair = result.tokens as Pair;
    this.#inDoubt = false;
    this.lastSuccess = begun;
    done({ kind: "ok", session: this.#session });
  }

  /** A socket and an event stream on each node. */
  async connectEverywhere(): Promise<void> {
    const each = this.#nodes.flatMap((node) => kinds.map((Kind) => this.#connect(node, Kind)));
    await Promise.all(each);
  }

  async #connect(node: Address, Kind: (typeof kinds)[number]): Promise<void> {
    if (this.#pair === undefined) return;
    const connection = new Kind(this.#trace, this.#session, node, this.#pair.accessToken);
    this.#connections = [...this.#connections.filter(({ isOpen }) => isOpen), connection];
    await connection.settled;
  }

  /**
   * Ends the session; whether that was acknowledged. From the first attempt on it does not sign in again.
   *
   * @param asHeader whether the token is the request's, and so is asked about first
   */
  async logout(node: Address, asHeader = this.#random.next() < 0.5): Promise<boolean> {
    this.giveUp();
    const token = this.#pair?.accessToken;
    const done = this.#trace.invoke({ name: "logout", session: this.#session, node: node.name });
    const query = "mutation ($token: String) { logout(token: $token) { endedSessions } }";
    const answer = await this.#ask(node, query, asHeader ? { token } : { variables: { token } });
    const acknowledged = answer?.data?.logout !== undefined && answer.data.logout !== null;
    done({ kind: acknowledged ? "ok" : "unknown" });
    return acknowledged;
  }

  /** Its session is to end, or has ended: it goes on with what it has, and does not sign in again. */
  giveUp(): void {
    this.#over = true;
  }

  /** Renews before it does anything else. */
  renewNext(): void {
    this.#inDoubt = true;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#step();
      await pause(this.#random.between(5, 60));
    }
  }

  async #step(): Promise<void> {
    const node = this.#random.pick(this.#nodes);
    if (this.#pair === undefined) return this.login(node);
    // He who has signed out tries every door: none may open.
    const chance = this.#random.next();
    if (this.#inDoubt && !this.#over) return this.#renew([node]);
    if (chance < 0.4) return this.#use(node);
    if (chance < 0.5) return this.#renew([node]);
    if (chance < 0.55) return this.#renew([...this.#nodes]);
    if (chance < 0.7 && this.openConnections < maxConnections)
      return this.#connect(node, this.#random.pick(kinds));
    if (chance < 0.75 && !this.#over) return this.#connections[0]?.close();
    if (this.#quiet) return;
    for (const connection of this.#connections)
      if (connection instanceof Socket) connection.operate();
  }

  async #use(node: Address): Promise<void> {
    const done = this.#trace.invoke({ name: "use", session: this.#session, node: node.name });
    const begun = this.#trace.now();
    const answer = await this.#ask(node, whoAmI, { token: this.#pair?.accessToken });
    if (answer === undefined) return done({ kind: "unknown" });
    const error = answer.errors?.[0];
    const outcome = error ? failure(error.extensions) : viewed(answer.data, this.#session);
    if (outcome.kind === "ok") this.lastSuccess = begun;
    done(outcome);
    if (outcome.reason === "ENDED") this.#signedOut();
  }

  /** Of several nodes at once, it takes any answer: all that are given are the same. */
  async #renew(nodes: readonly Address[]): Promise<void> {
    const pair = this.#pair;
    if (pair === undefined) return;
    this.#inDoubt = true;
    await Promise.all(nodes.map((node) => this.#renewAt(node, pair)));
  }

  async #renewAt(node: Address, { renewalToken }: Pair): Promise<void> {
    const done = this.#trace.invoke({
      name: "renew",
      session: this.#session,
      node: node.name,
      generation: generationOf(renewalToken),
    });
    const begun = this.#trace.now();
    const answer = await this.#ask(
      node,
      `mutation ($token: String!) { renew(renewalToken: $token) { ${signedIn} ... on RenewalRefused { reason } } }`,
      { variables: { token: renewalToken } },
    );
    if (answer === undefined) return done({ kind: "unknown" });
    const error = answer.errors?.[0];
    if (error) return done(failure(error.extensions));
    const { reason, tokens } = answer.data.renew;
    if (tokens === undefined) {
      done({ kind: "fail", reason });
      return this.#signedOut();
    }
    this.#pair = tokens as Pair;
    this.#inDoubt = false;
    this.lastSuccess = begun;
    const { accessToken, renewalToken: next } = this.#pair;
    done({ kind: "ok", successor: contentOf(accessToken) + contentOf(next) });
  }

  /** Who did not sign out himself signs in again. */
  #signedOut(): void {
    if (!this.#over) this.#pair = undefined;
  }

  async #ask(node: Address, query: string, options: Parameters<typeof ask>[2]) {
    try {
      return await ask(node.url, query, options);
    } catch {
      // The node is gone, with or without having done it.
      return undefined;
    }
  }
}

/** What a token says, without its key id and signature, which differ between rings; hashed, as it is a secret. */
function contentOf(token: string): string {
  return hash("sha256", bodyOf(token).subarray(7, 34)).slice(0, 16);
}

function generationOf(token: string): number {
  return bodyOf(token).readUInt32BE(8);
}

function bodyOf(token: string): Buffer {
  return Buffer.from(token.split("_").slice(2).join("_"), "base64url");
}
