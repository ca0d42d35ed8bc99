/** An honest client of several nodes: logs in, uses and renews its session, logs out, and records all of it in the trace. */
import { hash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { ask, password } from "../helpers/http.ts";
import type { Random } from "./random.ts";
import {
  outcomeOfError,
  Socket,
  outcomeOfViewer,
  viewerQuery,
  type NodeAddress,
} from "./sockets.ts";
import { EventStream } from "./streams.ts";
import type { Trace } from "./trace.ts";

interface Pair {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: string;
  readonly renewalToken: string;
}

const signedIn = `... on SignedIn { tokens { accessToken accessTokenExpiresAt renewalToken } viewer { session { id } } }`;
const maxConnections = 4;
/** The kinds of long-lived connections. */
const connectionKinds = [Socket, EventStream] as const;

export interface ClientOptions {
  readonly trace: Trace;
  readonly nodes: readonly NodeAddress[];
  readonly email: string;
  readonly random: Random;
  /** Sends no operations on its sockets: an operation would detect the end of the session. */
  readonly quiet?: boolean;
}

export class Client {
  readonly #trace: Trace;
  readonly #nodes: readonly NodeAddress[];
  readonly #email: string;
  readonly #random: Random;
  readonly #quiet: boolean;
  #pair: Pair | undefined;
  #session = "";
  /** Those that have not closed. */
  readonly #connections = new Set<Socket | EventStream>();
  #stopped = false;
  #ending = false;
  #running: Promise<void> = Promise.resolve();
  /** Set after a renewal with unknown outcome: the access token may be superseded, so the client renews first. */
  #mustRenew = false;
  #renews = true;
  /** For the next login. */
  password = password;
  /** When the last successful login, renewal or use began. */
  lastSuccess = -Infinity;

  constructor({ trace, nodes, email, random, quiet = false }: ClientOptions) {
    this.#trace = trace;
    this.#nodes = nodes;
    this.#email = email;
    this.#random = random;
    this.#quiet = quiet;
  }

  /** Id of the current or last session. */
  get session(): string {
    return this.#session;
  }

  get openConnections(): number {
    return [...this.#connections].filter(({ isOpen }) => isOpen).length;
  }

  /** Performs random actions, one at a time, until `stop`. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    for (const connection of this.#connections) connection.terminate();
    await Promise.all(Array.from(this.#connections, ({ closed }) => closed));
  }

  async login(node = this.#random.pick(this.#nodes)): Promise<void> {
    const done = this.#trace.invoke({ name: "login", node: node.name });
    const begun = this.#trace.now();
    const answer = await this.#ask(
      node,
      `mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { ${signedIn} } }`,
      { variables: { email: this.#email, password: this.password } },
    );
    const result = answer?.data?.login;
    if (result?.tokens === undefined) return done({ kind: "unknown" });
    this.#session = result.viewer.session.id as string;
    this.#pair = result.tokens as Pair;
    this.#mustRenew = false;
    this.lastSuccess = begun;
    done({ kind: "ok", session: this.#session });
  }

  /** Opens a socket and an event stream on each node. */
  async connectEverywhere(): Promise<void> {
    const each = this.#nodes.flatMap((node) =>
      connectionKinds.map((Kind) => this.#connect(node, Kind)),
    );
    await Promise.all(each);
  }

  async #connect(node: NodeAddress, Kind: (typeof connectionKinds)[number]): Promise<void> {
    if (this.#pair === undefined) return;
    const connection = new Kind(this.#trace, this.#session, node, this.#pair.accessToken);
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
    await connection.settled;
  }

  /**
   * Logs out; returns whether the end was acknowledged. From the first attempt on, the client never logs in again.
   *
   * @param asHeader whether the token is sent as the request's credentials, which the node authenticates first
   */
  async logout(node: NodeAddress, asHeader = this.#random.next() < 0.5): Promise<boolean> {
    this.stopLoggingIn();
    const token = this.#pair?.accessToken;
    const done = this.#trace.invoke({ name: "logout", session: this.#session, node: node.name });
    const query = "mutation ($token: String) { logout(token: $token) { endedSessions } }";
    const answer = await this.#ask(node, query, asHeader ? { token } : { variables: { token } });
    const acknowledged = answer?.data?.logout !== undefined && answer.data.logout !== null;
    done({ kind: acknowledged ? "ok" : "unknown" });
    return acknowledged;
  }

  /** From now on the client keeps using its tokens but never logs in again: its session ends or has ended. */
  stopLoggingIn(): void {
    this.#ending = true;
  }

  /** From now on the client uses the tokens that it has, and renews them only if `renews`. */
  setRenewing(renews: boolean): void {
    this.#renews = renews;
  }

  /** The user's e-mail address. */
  get email(): string {
    return this.#email;
  }

  /** Whether the next action is a renewal. */
  get mustRenew(): boolean {
    return this.#mustRenew;
  }

  /** Makes the next action a renewal. */
  renewNext(): void {
    this.#mustRenew = true;
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
    // After logging out, the client tries every operation with its old tokens: none may succeed.
    const chance = this.#random.next();
    if (this.#mustRenew && this.#renews && !this.#ending) return this.#renew([node]);
    if (chance < 0.4 || (chance < 0.55 && !this.#renews)) return this.#use(node);
    if (chance < 0.5) return this.#renew([node]);
    if (chance < 0.55) return this.#renew([...this.#nodes]);
    if (chance < 0.7 && this.openConnections < maxConnections)
      return this.#connect(node, this.#random.pick(connectionKinds));
    if (chance < 0.75 && !this.#ending) return [...this.#connections][0]?.close();
    if (this.#quiet) return;
    for (const connection of this.#connections)
      if (connection instanceof Socket) connection.operate();
  }

  async #use(node: NodeAddress): Promise<void> {
    const done = this.#trace.invoke({ name: "use", session: this.#session, node: node.name });
    const begun = this.#trace.now();
    const { accessToken: token, accessTokenExpiresAt = "" } = this.#pair ?? {};
    const answer = await this.#ask(node, viewerQuery, { token });
    if (answer === undefined) return done({ kind: "unknown" });
    const error = answer.errors?.[0];
    const outcome = error
      ? outcomeOfError(error.extensions)
      : outcomeOfViewer(answer.data, this.#session);
    // The response does not say why the request was unauthenticated.
    if (outcome.reason === "ENDED" && Date.now() >= Date.parse(accessTokenExpiresAt)) {
      this.#mustRenew = true;
      return done({ kind: "fail", reason: "EXPIRED" });
    }
    if (outcome.kind === "ok") this.lastSuccess = begun;
    done(outcome);
    if (outcome.reason === "ENDED") this.#forgetSession();
  }

  /** Renews at several nodes at once and takes any response: all responses are equal. */
  async #renew(nodes: readonly NodeAddress[]): Promise<void> {
    const pair = this.#pair;
    if (pair === undefined) return;
    this.#mustRenew = true;
    await Promise.all(nodes.map((node) => this.#renewAt(node, pair)));
  }

  async #renewAt(node: NodeAddress, { renewalToken }: Pair): Promise<void> {
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
    if (error) return done(outcomeOfError(error.extensions));
    const { reason, tokens } = answer.data.renew;
    if (tokens === undefined) {
      done({ kind: "fail", reason });
      return this.#forgetSession();
    }
    this.#pair = tokens as Pair;
    this.#mustRenew = false;
    this.lastSuccess = begun;
    const { accessToken, renewalToken: next } = this.#pair;
    done({ kind: "ok", successor: contentHashOf(accessToken) + contentHashOf(next) });
  }

  /** Logs in again with the next action, unless the client itself has logged out. */
  #forgetSession(): void {
    if (!this.#ending) this.#pair = undefined;
  }

  async #ask(node: NodeAddress, query: string, options: Parameters<typeof ask>[2]) {
    try {
      return await ask(node.url, query, options);
    } catch {
      // The node is gone; it may or may not have executed the request.
      return undefined;
    }
  }
}

/** Hash of a token's content without key id and signature, which differ between key rings. */
function contentHashOf(token: string): string {
  return hash("sha256", bodyOf(token).subarray(7, 34)).slice(0, 16);
}

function generationOf(token: string): number {
  return bodyOf(token).readUInt32BE(8);
}

function bodyOf(token: string): Buffer {
  return Buffer.from(token.split("_").slice(2).join("_"), "base64url");
}
