/** The HTTP server: routes requests to GraphQL, monitoring, the explorer or the fallback, and upgrades to sockets. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { tooMuchMemory } from "../graphql/errors.ts";
import { securityHeaders } from "../graphql/plugins/use-security-headers.ts";
import { withLogContext, requestIdFrom, requestIdHeader } from "../lib/log-context.ts";
import { mayReadBody } from "./body-limit.ts";
import { deviceOf } from "../request/client-info.ts";
import { answerPlainJson, type FastPathOptions } from "./fast-path.ts";
import { GracefulShutdown } from "./graceful-shutdown.ts";
import { isCrossOriginForbidden, isSafeRequest } from "../request/origin-check.ts";
import { readForAdapter } from "./body.ts";
import { answerMonitoringRequest, type MonitoringOptions } from "./monitoring-endpoints.ts";
import { identifyRequest } from "./caller.ts";
import type { ErrorCode } from "../protocol/error-codes.ts";
import type { SocketServer } from "../websocket/server.ts";
import { closeStalledReaders } from "./stall-timeout.ts";

/** A request listener like Node's; it may also be asynchronous. */
export type Fallback = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface HttpServerOptions extends FastPathOptions, MonitoringOptions {
  readonly sockets: SocketServer;
  /** Answers browsers that request the explorer, and resolves to whether it did; undefined when it is disabled. */
  readonly explorer:
    ((request: IncomingMessage, response: ServerResponse) => Promise<boolean>) | undefined;
  /** Answers requests for paths other than the server's own. */
  readonly fallback: Fallback | undefined;
}

const ownPath = /^\/(graphql|health|ready|metrics)([/?]|$)/;

/** Does not name the allowed origins. */
const forbiddenOrigin = JSON.stringify({
  errors: [
    {
      message: "Pages of other origins may not call this server, unless it lists them.",
      extensions: { code: "FORBIDDEN_ORIGIN" satisfies ErrorCode },
    },
  ],
});
const bodyMemoryExceeded = JSON.stringify({ errors: [tooMuchMemory()] });

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #shutdown: GracefulShutdown;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    // An offer of another protocol, such as h2c, is ignored, and the request answered in HTTP/1.1 (RFC 9110 §7.8).
    const shouldUpgradeCallback = ({ headers }: IncomingMessage) =>
      /^websocket$/i.test(headers.upgrade ?? "");
    this.#server = createServer({ shouldUpgradeCallback }, (request, response) =>
      withLogContext({ requestId: requestIdFrom(request.headers["x-request-id"]) }, () =>
        this.#answer(request, response),
      ),
    ).on("upgrade", (request: IncomingMessage, stream: Socket, head: Buffer) => {
      this.#shutdown.onUpgrade(request);
      options.sockets.upgrade(request, stream, head);
    });
    this.#shutdown = new GracefulShutdown(this.#server);
    closeStalledReaders(this.#server, options.stallTimeout);
  }

  /** Resolves to the port. Rejects if the server cannot listen, for example because the port is in use. */
  async listen(port: number, host: string): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    const address = this.#server.address();
    return typeof address === "object" ? (address?.port ?? port) : port;
  }

  /**
   * Closes all connections gracefully.
   *
   * @param time milliseconds in which requests are answered and connections close, a few at a time
   */
  async close(time: number): Promise<void> {
    const { connections, sockets } = this.#options;
    await this.#shutdown.close({
      time,
      lifecycles: () => [...connections.lifecycles, ...sockets.lifecycles],
      socketsClosed: sockets.close(),
      onTimeout: () => sockets.destroyRefused(),
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { explorer, allowsOrigin, noteRefusal, trustProxy, fallback } = this.#options;
    this.#shutdown.onRequest(request, response);
    const target = targetOf(request);
    if (target === undefined) {
      response.writeHead(400, { ...securityHeaders, ...requestIdHeader() }).end();
      return;
    }
    request.url = target;
    if (fallback !== undefined && !ownPath.test(target)) {
      this.#guard(response, async () => fallback(request, response));
      return;
    }
    if (
      !isSafeRequest(request, explorer !== undefined) &&
      isCrossOriginForbidden(request, allowsOrigin)
    ) {
      const device = deviceOf(request, trustProxy);
      noteRefusal({ transport: "http", reason: "ORIGIN", device });
      refuse(response, 403, forbiddenOrigin);
      return;
    }
    if (!mayReadBody(request, response, this.#options)) {
      response.shouldKeepAlive = false;
      refuse(response, 429, bodyMemoryExceeded);
      return;
    }
    this.#guard(response, () => this.#route(request, response));
  }

  /** Reports an error of the handler and closes the connection. */
  #guard(response: ServerResponse, handler: () => Promise<unknown>): void {
    handler().catch((error: unknown) => {
      this.#options.reportError("a request was not answered", error);
      response.destroy();
    });
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { engine, explorer, maxMessageSize } = this.#options;
    if (await answerPlainJson(request, response, this.#options)) return;
    if (await answerMonitoringRequest(request, response, this.#options)) return;
    response.setHeaders(new Map(Object.entries(requestIdHeader())));
    if (explorer !== undefined && (await explorer(request, response))) return;
    // Yoga refuses some requests before it needs the caller.
    const identify = () => identifyRequest(request, response, this.#options);
    if (await readForAdapter(request, response, maxMessageSize))
      await engine.handle(request, response, { identify });
  }
}

function refuse(response: ServerResponse, status: number, body: string): void {
  response
    .writeHead(status, {
      ...securityHeaders,
      ...requestIdHeader(),
      "content-type": "application/json; charset=utf-8",
    })
    .end(body);
}

/**
 * The requested path and query, also of a request in absolute form (RFC 9112 §3.2.2). Undefined if it makes no valid
 * URL: Yoga would build one, and answer the failure with a stack trace.
 */
function targetOf({ url = "/", headers: { host = "localhost" } }: IncomingMessage) {
  const absolute = /^https?:/i.test(url) ? URL.parse(url) : undefined;
  const path = absolute ? absolute.pathname + absolute.search : url;
  return absolute !== null && URL.canParse(`http://${host}${path}`) ? path : undefined;
}
