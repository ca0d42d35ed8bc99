/** The HTTP server: hands requests to the engine and upgrades to the sockets, and closes without a loose end. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Server as TcpServer, type Socket } from "node:net";
import { tooMuchMemory } from "../graphql/errors.ts";
import { securityHeaders } from "../graphql/plugins/use-security-headers.ts";
import { withLogContext, requestIdFrom, requestIdHeader } from "../lib/log-context.ts";
import { mayRead } from "./body-limit.ts";
import { deviceOf } from "../request/client-info.ts";
import { drain } from "../connections/drain.ts";
import { answerJson, type JsonOptions } from "./fast-path.ts";
import { isCrossOriginForbidden, isSafeRequest } from "../request/origin-check.ts";
import { readForAdapter } from "./body.ts";
import { answerProbe, type ProbeOptions } from "./probes.ts";
import { identifyRequest, type RequestOptions } from "./caller.ts";
import type { SocketServer } from "../websocket/server.ts";
import { cutStalledReaders } from "./stall-timeout.ts";

/** As Node's request listener; it may also be asynchronous. */
export type Fallback = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface HttpServerOptions extends RequestOptions, JsonOptions, ProbeOptions {
  readonly sockets: SocketServer;
  /** Answers browsers that ask for the explorer, and says whether it did; undefined where there is none. */
  readonly explorer:
    ((request: IncomingMessage, response: ServerResponse) => Promise<boolean>) | undefined;
  /** Answers what is asked at other paths than the server's own. */
  readonly fallback: Fallback | undefined;
}

/** How long shutdown waits for the first request of a connection, at most (ms). */
const firstRequestTimeout = 1_000;
/** How long shutdown looks for a moment in which no connection waits to be accepted (ms), and in how many turns. */
const [lookTimeout, looks] = [100, 20];
/** Milliseconds; a turn of the event loop in which nothing happens takes a tenth of it. */
const shortTurn = 0.2;

const ownPath = /^\/(graphql|health|ready|metrics)([/?]|$)/;

/** It says nothing of who may. */
const foreign = JSON.stringify({
  errors: [
    {
      message: "Pages of other origins may not call this server, unless it lists them.",
      extensions: { code: "FORBIDDEN_ORIGIN" },
    },
  ],
});
const tooMany = JSON.stringify({ errors: [tooMuchMemory()] });

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  /** Connections that asked nothing yet; Node does not count them among the idle ones that it closes. */
  readonly #unused = new Set<Socket>();
  /** Requests that are being answered. */
  readonly #answers = new Set<ServerResponse>();
  #isClosing = false;
  #untilSilence: NodeJS.Timeout | undefined;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const unused = this.#unused;
    // The same for all: a closure for each would stay with it.
    function forget(this: Socket): void {
      unused.delete(this);
    }
    // Who offers another protocol, such as h2c, is answered in this one (RFC 9110 §7.8).
    const shouldUpgradeCallback = ({ headers }: IncomingMessage) =>
      /^websocket$/i.test(headers.upgrade ?? "");
    const server = createServer({ shouldUpgradeCallback }, (request, response) =>
      withLogContext({ requestId: requestIdFrom(request.headers["x-request-id"]) }, () =>
        this.#answer(request, response),
      ),
    )
      .on("upgrade", (request: IncomingMessage, stream: Socket, head: Buffer) => {
        this.#unused.delete(request.socket);
        request.socket.off("close", forget);
        options.sockets.upgrade(request, stream, head);
      })
      .on("connection", (socket: Socket) => {
        this.#unused.add(socket);
        socket.on("close", forget);
      });
    cutStalledReaders(server, options.stallTimeout);
    this.#server = server;
  }

  /** Resolves to the port. Rejects when it is taken, among other things. */
  async listen(port: number, host: string): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    const address = this.#server.address();
    return typeof address === "object" ? (address?.port ?? port) : port;
  }

  /**
   * Whoever keeps a connection learns from the next answer on it that it ends, before it does: a request
   * that meets a closed one is lost, and a proxy may not send a mutation twice.
   *
   * @param time milliseconds in which requests are answered and connections end, a few at a time.
   */
  async close(time: number): Promise<void> {
    const { connections, sockets } = this.#options;
    let untilAsked: NodeJS.Timeout | undefined;
    const closed = new Promise((resolve) => {
      // Once those that wait to be accepted are, and before anybody is sent to make new ones.
      onceRead(() => {
        // Node's own for HTTP cuts what is idle at once.
        TcpServer.prototype.close.call(this.#server, resolve);
        this.#isClosing = true;
        // From now on: one that was accepted last has as much time as all others.
        untilAsked = setTimeout(
          () => setImmediate(() => this.#cutUnused()),
          Math.min(firstRequestTimeout, time / 2),
        );
        for (const response of this.#answers) announceEnd(response);
      });
    });
    // Half of the time without a request is for proxies to close by themselves what they keep; one that came
    // while others kept this process busy is read before the immediate.
    this.#untilSilence = setTimeout(() => setImmediate(() => this.#closeIdle()), time / 2);
    const timer = setTimeout(() => {
      this.#server.closeAllConnections();
      sockets.cutRefused();
    }, time);
    // What becomes a stream only now is among them at the next look.
    const stopDraining = drain(() => [...connections.lifecycles, ...sockets.lifecycles], time);
    await Promise.all([closed, sockets.close()]);
    stopDraining();
    clearTimeout(this.#untilSilence);
    clearTimeout(untilAsked);
    clearTimeout(timer);
    this.#closeIdle();
  }

  #cutUnused(): void {
    for (const socket of this.#unused) socket.destroy();
  }

  #closeIdle(): void {
    this.#cutUnused();
    this.#server.close();
    // What is answered later is idle only then.
    for (const response of this.#answers)
      response.once("close", () => setImmediate(() => this.#server.closeIdleConnections()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { explorer, allowsOrigin, noteRefusal, trustProxy, fallback } = this.#options;
    this.#unused.delete(request.socket);
    this.#answers.add(response);
    response.once("close", () => this.#answers.delete(response));
    this.#untilSilence?.refresh();
    if (this.#isClosing) announceEnd(response);
    const target = targetOf(request);
    if (target === undefined) {
      response.writeHead(400, { ...securityHeaders, ...requestIdHeader() }).end();
      return;
    }
    request.url = target;
    if (fallback !== undefined && !ownPath.test(target)) {
      this.#see(response, async () => fallback(request, response));
      return;
    }
    if (
      !isSafeRequest(request, explorer !== undefined) &&
      isCrossOriginForbidden(request, allowsOrigin)
    ) {
      const device = deviceOf(request, trustProxy);
      noteRefusal({ transport: "http", reason: "ORIGIN", device });
      refuse(response, 403, foreign);
      return;
    }
    if (!mayRead(request, response, this.#options)) {
      response.shouldKeepAlive = false;
      refuse(response, 429, tooMany);
      return;
    }
    this.#see(response, () => this.#serve(request, response));
  }

  #see(response: ServerResponse, answer: () => Promise<unknown>): void {
    answer().catch((error: unknown) => {
      this.#options.reportError("a request was not answered", error);
      response.destroy();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const identify = () => identifyRequest(request, response, this.#options);
    const { engine, explorer, maxMessageSize } = this.#options;
    if (await answerJson(request, response, identify, this.#options)) return;
    if (await answerProbe(request, response, this.#options)) return;
    response.setHeaders(new Map(Object.entries(requestIdHeader())));
    if (explorer !== undefined && (await explorer(request, response))) return;
    if (await readForAdapter(request, response, maxMessageSize))
      await engine.handle(request, response, { identify });
  }
}

/**
 * The kernel resets connections that wait to be accepted when their listener is closed, and with them the
 * requests that were sent on them. So it is closed right after a look that found none: in a turn of the event
 * loop too short for others to have come. On a busy server there may be no such turn; but on a busy machine the
 * time is over after a single long one, in which many have come, so that more turns are looked at.
 */
function onceRead(work: () => void): void {
  const deadline = performance.now() + lookTimeout;
  let before = -Infinity;
  let looked = 0;
  const look = () => {
    const now = performance.now();
    const isShort = now - before < shortTurn;
    before = now;
    looked += 1;
    if (isShort || (now > deadline && looked > looks)) work();
    else setImmediate(look);
  };
  setImmediate(look);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, {
      ...securityHeaders,
      ...requestIdHeader(),
      "content-type": "application/json; charset=utf-8",
    })
    .end(text);
}

function announceEnd(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}

/**
 * The path that is asked for, also where the client says it with the server's name before it (RFC 9112
 * §3.2.2). Undefined where it makes no URL: Yoga makes one, and answers with a stack where that fails.
 */
function targetOf({ url = "/", headers: { host = "localhost" } }: IncomingMessage) {
  const whole = /^https?:/i.test(url) ? URL.parse(url) : undefined;
  const path = whole ? whole.pathname + whole.search : url;
  return whole !== null && URL.canParse(`http://${host}${path}`) ? path : undefined;
}
