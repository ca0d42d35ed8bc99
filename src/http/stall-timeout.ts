/** Cuts HTTP connections whose client takes nothing of an answer, whatever the answer is. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * A connection is cut when bytes of an answer wait for its client and none moved for that time (ms). The
 * socket's own timer measures it: it starts again at each byte, so that a reader who is slow is not cut, and
 * neither is one who waits for an answer that is still being made.
 */
export function cutStalledReaders(server: Server, time: number): void {
  server.setTimeout(time);
  server.on("request", (_request: IncomingMessage, response: ServerResponse) => {
    response.on("timeout", onTimeout);
  });
}

/** Node destroys connections that time out without a listener, such as those that are kept and not used. */
function onTimeout(this: ServerResponse, socket: Socket): void {
  if (socket.writableLength > 0 || this.writableLength > 0) socket.destroy();
}
