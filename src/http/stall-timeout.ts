/** Closes HTTP connections whose client has stopped reading a response. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Closes a connection when bytes of a response wait for the client and none was sent for `timeout` milliseconds. The
 * socket's own timer restarts at each byte, so slow readers stay connected. So do clients that wait for a response
 * which is still being produced.
 */
export function closeStalledReaders(server: Server, timeout: number): void {
  server.setTimeout(timeout);
  server.on("request", (_request: IncomingMessage, response: ServerResponse) => {
    response.on("timeout", onTimeout);
  });
}

/** Node itself closes connections that time out without this listener, such as idle keep-alive connections. */
function onTimeout(this: ServerResponse, socket: Socket): void {
  if (socket.writableLength > 0 || this.writableLength > 0) socket.destroy();
}
