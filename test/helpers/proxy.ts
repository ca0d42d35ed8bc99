/** A TCP proxy that fails as networks do: it cuts links, lets them die silently, slows them and stops them for a while. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface TestProxy extends AsyncDisposable {
  readonly port: number;
  /** Cuts all links, as a reset does; new ones are let through. */
  drop(): void;
  /** Swallows everything in both directions and closes nothing, as a gateway does that forgot its links. */
  halfOpen(): void;
  /** Holds everything back until `heal`, as a partition does that TCP outlives. */
  stall(): void;
  /** Holds back what comes from the target alone: it gets everything, and does it. */
  stallReplies(): void;
  /** Everything takes so many milliseconds longer, in each direction. */
  delay(milliseconds: number): void;
  /** Takes the messages of Redis that hold this text out of the stream, and nothing else. */
  lose(text: string): void;
  /** From now on all is well, but links that have lost bytes stay dead. */
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

  constructor(targetPort: number) {
    this.#server = createServer({ noDelay: true }, (near) => {
      const link = new Link(near, connect({ port: targetPort, host: "127.0.0.1" }), this);
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
    for (const link of this.#links) link.cut();
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

  lose(text: string): void {
    this.lost = text;
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
  /** What a stall holds back, by where it goes. */
  readonly #held = new Map<Socket, (() => void)[]>();
  /** Once bytes are lost, what follows them makes no sense. */
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
    // A dead link says nothing, not even that it is at its end.
    near.on("close", () => far.destroy());
    far.on("close", () => {
      if (!this.dead) this.#after(near, () => near.destroy());
    });
  }

  cut(): void {
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

/** After `*` in RESP2, and `>` in RESP3. */
const head = Buffer.from("3\r\n$7\r\nmessage\r\n");

/** Each message comes in one piece here: they are short, and the loopback does not split them. */
function withoutMessages(data: Buffer, text: string): Buffer {
  const start = data.indexOf(head) - 1;
  if (start < 0) return data;
  const channelEnd = bulkEnd(data, start + 1 + head.length);
  const end = bulkEnd(data, channelEnd);
  const message = data.subarray(start, end);
  const kept = message.includes(text) ? data.subarray(0, start) : data.subarray(0, end);
  return Buffer.concat([kept, withoutMessages(data.subarray(end), text)]);
}

/** Where a bulk string of RESP ends that begins there: `$5\r\nhello\r\n`. */
function bulkEnd(data: Buffer, start: number): number {
  const line = data.indexOf("\r\n", start);
  return line + 2 + Number(data.subarray(start + 1, line).toString()) + 2;
}
