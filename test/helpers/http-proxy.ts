/** A proxy that knows HTTP: it delays and loses the answers to some requests, and lets all else through. */
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

/** What becomes of an answer that the server has given. */
export interface Fault {
  /** Milliseconds that it takes longer. */
  readonly delay: number;
  /** Whether it is lost: the connection breaks instead. */
  readonly lost: boolean;
}

export type FaultOf = (request: {
  readonly host: string;
  readonly body: string;
}) => Fault | undefined;

/** @param faultOf is asked for each request */
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
    /** How many answers that were not to be lost found that their client had given up. */
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
  const onward = ask({ ...target, method, path, headers }).end(body);
  const [answer] = (await once(onward, "response")) as [IncomingMessage];
  const content = await buffer(answer);
  if (delay > 0) await pause(delay);
  if (lost) response.destroy();
  else if (fault !== undefined && response.closed) onAbandoned();
  else response.writeHead(answer.statusCode ?? 502, answer.rawHeaders).end(content);
}
