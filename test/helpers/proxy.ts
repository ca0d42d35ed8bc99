/** A TCP proxy that simulates network faults: resets, half-open connections, stalls, delays and lost messages. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface TestProxy extends AsyncDisposable {
  readonly port: number;
  /** Resets all connections; new ones work. */
  drop(): void;
  /** Discards all data in both directions and closes nothing, as a gateway does that lost its connection table. */
  halfOpen(): void;
  /** Holds all data back until `heal`, as a network partition that TCP survives. */
  stall(): void;
  /** Holds back only data from the target, which still receives and executes everything. */
  stallReplies(): void;
  /** Delays all data in each direction (ms). */
  delay(milliseconds: number): void;
  /** Removes the Redis pub/sub messages that contain this text from the stream. */
  loseMessages(text: string): void;
  /** Leads new connections to another server. Present ones stay, as with an address that is switched. */
  switchTo(targetPort: number): void;
  /** Ends the fault; connections that have lost bytes stay dead. */
  heal(): void;
}

type Mode = "open" | "halfOpen" | "stall" | "stallAnswers";

export async function startProxy(targetPort: number): Promise<TestProxy> {
  const proxy = new Proxy(targetPort);
  await proxy.listen();
  return proxy;
}

class Proxy implements TestProxy {
  readonly #server;
  readonly #links = new Set<Link>();
  mode: Mode = "open";
  latency = 0;
  lost: string | undefined;

  #targetPort: number;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer({ noDelay: true }, (near) => {
      const link = new Link(near, connect({ port: this.#targetPort, host: "127.0.0.1" }), this);
      this.#links.add(link);
      near.once("close", () => this.#links.delete(link));
    });
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("No port");
    return address.port;
  }

  async listen(): Promise<void> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
  }

  drop(): void {
    for (const link of this.#links) link.reset();
  }

  halfOpen(): void {
    this.mode = "halfOpen";
    for (const link of this.#links) link.dead = true;
  }

  stall(): void {
    this.mode = "stall";
  }

  stallReplies(): void {
    this.mode = "stallAnswers";
  }

  delay(milliseconds: number): void {
    this.latency = milliseconds;
  }

  loseMessages(text: string): void {
    this.lost = text;
  }

  switchTo(targetPort: number): void {
    this.#targetPort = targetPort;
  }

  heal(): void {
    this.mode = "open";
    this.latency = 0;
    this.lost = undefined;
    for (const link of this.#links) link.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.drop();
    await closed;
  }
}

class Link {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #proxy: Proxy;
  /** Data that a stall holds back, by destination. */
  readonly #held = new Map<Socket, (() => void)[]>();
  /** Set when bytes were lost: the rest of the stream makes no sense. */
  dead: boolean;

  constructor(near: Socket, far: Socket, proxy: Proxy) {
    this.#near = near;
    this.#far = far.setNoDelay();
    this.#proxy = proxy;
    this.dead = proxy.mode === "halfOpen";
    near.on("error", () => {}).on("data", (data) => this.#pass(far, data));
    far
      .on("error", () => {})
      .on("data", (data) => {
        const { lost } = proxy;
        this.#pass(near, lost === undefined ? data : withoutMessages(data, lost));
      });
    // A dead connection transmits nothing, not even its end.
    near.on("close", () => far.destroy());
    far.on("close", () => {
      if (!this.dead) this.#after(near, () => near.destroy());
    });
  }

  reset(): void {
    this.#near.resetAndDestroy();
    this.#far.destroy();
  }

  release(): void {
    const held = [...this.#held.values()].flat();
    this.#held.clear();
    for (const pass of held) pass();
  }

  #pass(to: Socket, data: Buffer): void {
    if (data.length === 0) return;
    this.#after(to, () => {
      if (!this.dead && !to.destroyed) to.write(data);
    });
  }

  #after(to: Socket, pass: () => void): void {
    const { mode, latency } = this.#proxy;
    const held = this.#held.get(to) ?? [];
    if (mode === "stall" || (mode === "stallAnswers" && to === this.#near))
      this.#held.set(to, [...held, pass]);
    else if (latency > 0) setTimeout(pass, latency);
    else pass();
  }
}

/** The head of a message, which follows `*` in RESP2 and `>` in RESP3. */
const head = Buffer.from("3\r\n$7\r\nmessage\r\n");

/** Expects each message in one chunk: messages are short, and the loopback does not split them. */
function withoutMessages(data: Buffer, text: string): Buffer {
  const start = data.indexOf(head) - 1;
  if (start < 0) return data;
  const channelEnd = bulkEnd(data, start + 1 + head.length);
  const end = bulkEnd(data, channelEnd);
  const message = data.subarray(start, end);
  const forwarded = message.includes(text) ? data.subarray(0, start) : data.subarray(0, end);
  return Buffer.concat([forwarded, withoutMessages(data.subarray(end), text)]);
}

/** The end of the RESP bulk string that begins at `start`: `$5\r\nhello\r\n`. */
function bulkEnd(data: Buffer, start: number): number {
  const line = data.indexOf("\r\n", start);
  return line + 2 + Number(data.subarray(start + 1, line).toString()) + 2;
}
