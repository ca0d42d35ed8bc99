/** Shuts down an HTTP server without losing requests: announces the close of kept connections before closing them. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Server as TcpServer, type Socket } from "node:net";
import { drain } from "../connections/drain.ts";
import type { ConnectionLifecycle } from "../connections/lifecycle.ts";

/** Upper bound on how long shutdown waits for a new connection's first request (ms). */
const firstRequestTimeout = 1_000;
/** How long shutdown waits for a moment in which no connection waits to be accepted (ms, and turns at least). */
const [acceptTimeout, minAcceptTurns] = [100, 20];
/** Longest turn of the event loop that counts as idle (ms). An idle turn takes about a tenth of it. */
const idleTurn = 0.2;

export interface ShutdownOptions {
  /** Milliseconds in which requests are answered and connections close, a few at a time. */
  readonly time: number;
  /** All sockets and streams, also those that are opened later. */
  readonly lifecycles: () => Iterable<ConnectionLifecycle>;
  /** Resolves when all sockets are closed. */
  readonly socketsClosed: Promise<void>;
  /** Called when the time is over, to destroy what `lifecycles` does not contain. */
  readonly onTimeout: () => void;
}

export class GracefulShutdown {
  readonly #server: Server;
  /** Connections without a request so far; Node does not count them as idle. */
  readonly #unusedConnections = new Set<Socket>();
  readonly #responsesInFlight = new Set<ServerResponse>();
  readonly #onSocketClose: (this: Socket) => void;
  #isClosing = false;
  /** Runs out when no request has arrived for half of the shutdown's time. */
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(server: Server) {
    this.#server = server;
    const unused = this.#unusedConnections;
    // One function for all sockets: each socket would keep a closure of its own.
    this.#onSocketClose = function () {
      unused.delete(this);
    };
    server.on("connection", (socket: Socket) => {
      unused.add(socket);
      socket.on("close", this.#onSocketClose);
    });
  }

  /** To be called with each request that is not an upgrade, before it is answered. */
  onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#unusedConnections.delete(request.socket);
    this.#responsesInFlight.add(response);
    response.once("close", () => this.#responsesInFlight.delete(response));
    this.#idleTimer?.refresh();
    if (this.#isClosing) announceClose(response);
  }

  /** To be called with each upgrade: the connection is no longer one of HTTP. */
  onUpgrade({ socket }: IncomingMessage): void {
    this.#unusedConnections.delete(socket);
    socket.off("close", this.#onSocketClose);
  }

  /**
   * Sends `Connection: close` on the next response before closing a keep-alive connection: a request that meets a
   * closed connection is lost, and a proxy may not repeat a mutation.
   */
  async close({ time, lifecycles, socketsClosed, onTimeout }: ShutdownOptions): Promise<void> {
    let unusedTimer: NodeJS.Timeout | undefined;
    const closed = new Promise((resolve) => {
      // After waiting connections are accepted, and before drained clients open new ones.
      onceAllAccepted(() => {
        // The HTTP server's own `close` would close idle connections at once.
        TcpServer.prototype.close.call(this.#server, resolve);
        this.#isClosing = true;
        // From now on: a connection that was accepted last has as much time as the others.
        unusedTimer = setTimeout(
          () => setImmediate(() => this.#destroyUnused()),
          Math.min(firstRequestTimeout, time / 2),
        );
        for (const response of this.#responsesInFlight) announceClose(response);
      });
    });
    // Half of the time without a request lets proxies close the connections that they keep. A request that arrived
    // while others kept this process busy is read before the immediate.
    this.#idleTimer = setTimeout(() => setImmediate(() => this.#closeIdle()), time / 2);
    const timer = setTimeout(() => {
      this.#server.closeAllConnections();
      onTimeout();
    }, time);
    const stopDraining = drain(lifecycles, time);
    await Promise.all([closed, socketsClosed]);
    stopDraining();
    clearTimeout(this.#idleTimer);
    clearTimeout(unusedTimer);
    clearTimeout(timer);
    this.#closeIdle();
  }

  #destroyUnused(): void {
    for (const socket of this.#unusedConnections) socket.destroy();
  }

  #closeIdle(): void {
    this.#destroyUnused();
    this.#server.close();
    // Connections with a response in flight become idle after it.
    for (const response of this.#responsesInFlight)
      response.once("close", () => setImmediate(() => this.#server.closeIdleConnections()));
  }
}

/**
 * Calls back in a moment in which no connection waits to be accepted. When a listener closes, the kernel resets the
 * connections that wait, and the requests sent on them are lost. So the listener is closed right after a turn of the
 * event loop that was too short for connections to have arrived. A busy server may have no such turn, so the wait is
 * limited. On a busy machine a single long turn, in which many connections have arrived, may use up the time, so the
 * wait has a minimum number of turns too.
 */
function onceAllAccepted(callback: () => void): void {
  const deadline = performance.now() + acceptTimeout;
  let previous = -Infinity;
  let turns = 0;
  const onTurn = () => {
    const now = performance.now();
    const isIdle = now - previous < idleTurn;
    previous = now;
    turns += 1;
    if (isIdle || (now > deadline && turns > minAcceptTurns)) callback();
    else setImmediate(onTurn);
  };
  setImmediate(onTurn);
}

function announceClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}
