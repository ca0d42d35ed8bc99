/** A minimal HTTP connection that sends prepared requests and reads responses, so that the load costs little CPU. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { targetOf } from "./target.ts";

/** The bytes of a POST with a JSON body. */
export function requestFor(url: string, token: string | undefined, body: unknown): Buffer {
  const { host, port, path } = targetOf(url);
  const text = JSON.stringify(body);
  const lines = [
    `POST ${path} HTTP/1.1`,
    `Host: ${host}:${port}`,
    "Accept: application/json",
    "Content-Type: application/json",
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${text}`);
}

export class HttpConnection {
  readonly #socket: Socket;
  #received = "";
  #answer: PromiseWithResolvers<string> | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#take(text));
    socket.on("error", () => {});
    socket.once("close", () =>
      this.#answer?.reject(new Error("The server closed the connection.")),
    );
  }

  static async open(url: string): Promise<HttpConnection> {
    const { host, port } = targetOf(url);
    const socket = connect(port, host);
    await once(socket, "connect");
    return new HttpConnection(socket);
  }

  /** Resolves to the body of a response with status 200. Sends one request at a time. */
  async ask(request: Buffer): Promise<string> {
    this.#answer = Promise.withResolvers();
    this.#socket.write(request);
    return this.#answer.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#received += text;
    const answer = this.#answer;
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (answer === undefined || headEnd < 0) return;
    const head = this.#received.slice(0, headEnd);
    const rest = this.#received.slice(headEnd + 4);
    const body = bodyOf(head, rest);
    if (body === undefined) return;
    this.#answer = undefined;
    this.#received = "";
    if (head.startsWith("HTTP/1.1 200 ")) answer.resolve(body);
    else answer.reject(new Error(`${head.slice(0, head.indexOf("\r\n"))}: ${body}`));
  }
}

/** Undefined while the body is incomplete. The benchmark's bodies are ASCII: a character is a byte. */
function bodyOf(head: string, rest: string): string | undefined {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return rest.length < Number(length) ? undefined : rest;
  if (!rest.endsWith("0\r\n\r\n")) return undefined;
  let body = "";
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf("\r\n", at);
    const size = Number.parseInt(rest.slice(at, lineEnd), 16);
    if (size === 0) return body;
    body += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
