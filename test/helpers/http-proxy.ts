/** An HTTP proxy that delays or drops the responses to chosen requests and forwards all else. */
import { once } from "node:events";
import {
  createServer,
  request as ask,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
} from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";

/** How the proxy treats a response. */
export interface Fault {
  /** Added delay (ms). */
  readonly delay: number;
  /** Whether the proxy drops the response and breaks the connection. */
  readonly lost: boolean;
}

export type FaultOf = (request: {
  readonly host: string;
  readonly body: string;
}) => Fault | undefined;

/** @param faultOf chooses the fault of each request */
export async function startHttpProxy(targetPort: number, faultOf: FaultOf) {
  const target = { host: "127.0.0.1", port: targetPort };
  const sockets = new Set<Socket>();
  let abandoned = 0;
  const server = createServer((request, response) => {
    const onAbandoned = () => (abandoned += 1);
    pass(target, request, response, { faultOf, onAbandoned }).catch(() => response.destroy());
  });
  server.on("upgrade", (request: IncomingMessage, near: Socket, head: Buffer) => {
    const far = connect(target);
    const { method, url, httpVersion, rawHeaders } = request;
    const lines = [`${method} ${url} HTTP/${httpVersion}`];
    for (let i = 0; i < rawHeaders.length; i += 2)
      lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
    far.write(`${lines.join("\r\n")}\r\n\r\n`);
    far.write(head);
    near.pipe(far).pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket
        .on("error", () => {})
        .on("close", () => {
          sockets.delete(socket);
          other.destroy();
        });
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    /** Number of delayed responses whose client had already disconnected. */
    get abandoned() {
      return abandoned;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function pass(
  target: RequestOptions,
  request: IncomingMessage,
  response: ServerResponse,
  { faultOf, onAbandoned }: { readonly faultOf: FaultOf; readonly onAbandoned: () => void },
): Promise<void> {
  const { method, url: path, headers } = request;
  const body = await buffer(request);
  const fault = faultOf({ host: headers.host ?? "", body: body.toString() });
  const { delay, lost } = fault ?? { delay: 0, lost: false };
  const forwarded = ask({ ...target, method, path, headers }).end(body);
  const [upstream] = (await once(forwarded, "response")) as [IncomingMessage];
  const content = await buffer(upstream);
  if (delay > 0) await pause(delay);
  if (lost) response.destroy();
  else if (fault !== undefined && response.closed) onAbandoned();
  else response.writeHead(upstream.statusCode ?? 502, upstream.rawHeaders).end(content);
}
