/** Reads the body of a request into one buffer, so that it takes as much memory as its bytes, in however many pieces it comes. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";

/** A request whose body was read; the engine's adapter takes it from there. */
export type ReadRequest = IncomingMessage & { body?: Readable };

/**
 * Resolves to the body, or to undefined where the client left in the middle of it. Of a body that is larger than
 * `maxSize` bytes it resolves to so much that it is seen to be, and discards the rest. A body of one piece is not
 * copied.
 */
export function readBody(request: IncomingMessage, maxSize: number): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const body = new GrowingBuffer();
  const onData = (chunk: Buffer) => {
    body.append(chunk);
    if (body.length <= maxSize) return;
    request.off("data", onData).resume();
    resolve(body.bytes);
  };
  request
    .on("data", onData)
    .on("end", () => resolve(body.bytes))
    .on("error", () => resolve(undefined))
    .on("close", () => resolve(undefined));
  return promise;
}

/** Has the engine's adapter find that body, or as much as shows that it is too large. */
export function giveBody(request: ReadRequest, body: Buffer): void {
  // Of a buffer, or a text, it would list every byte as a key.
  request.body = Readable.from([body]);
}

/**
 * Reads the body of a request for the engine's adapter, unless it was read, or its head says that it is too large:
 * the adapter would keep each piece by itself.
 *
 * @returns whether the client is still there
 */
export async function readForAdapter(
  request: ReadRequest,
  response: ServerResponse,
  maxSize: number,
): Promise<boolean> {
  if (request.body !== undefined || !mayHaveBody(request, maxSize)) return true;
  const body = await readBody(request, maxSize);
  if (body === undefined) return false;
  // Its client may go on sending.
  if (body.length > maxSize) response.shouldKeepAlive = false;
  giveBody(request, body);
  return true;
}

function mayHaveBody({ method, headers }: IncomingMessage, maxSize: number): boolean {
  if (method !== "POST") return false;
  const size = headers["content-length"];
  return size === undefined
    ? headers["transfer-encoding"] !== undefined
    : Number(size) > 0 && Number(size) <= maxSize;
}

/** Doubles when it is full: each piece by itself would take some hundred bytes, however small it is. */
class GrowingBuffer {
  #buffer: Buffer = Buffer.alloc(0);
  length = 0;

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  append(chunk: Buffer): void {
    const length = this.length + chunk.length;
    if (this.length === 0) this.#buffer = chunk;
    else {
      if (length > this.#buffer.length) {
        const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#buffer.length, leastSize));
        this.bytes.copy(larger);
        this.#buffer = larger;
      }
      chunk.copy(this.#buffer, this.length);
    }
    this.length = length;
  }
}

/** Bytes. */
const leastSize = 1_024;
