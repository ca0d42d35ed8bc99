/** Bodies that come in very many pieces take as much memory as their bytes, and are answered as any other. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect as dial } from "node:net";
import { Readable } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { readBody } from "../../src/http/body.ts";
import { startCurfew } from "../helpers/curfew.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const maxSize = 262_144;
const mebibyte = 1024 * 1024;

function memory(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function requestOf(): Readable & IncomingMessage {
  return new Readable({ read: () => {} }) as Readable & IncomingMessage;
}

it("a body of 200,000 pieces of one byte is kept as one buffer", async () => {
  const request = requestOf();
  const body = readBody(request, maxSize);
  // It flows from the next turn on.
  await new Promise(setImmediate);
  const before = memory();
  const pieces = 200_000;
  for (let i = 0; i < pieces; i += 1) request.push(Buffer.from(new Uint8Array([i % 256])));
  expect(request.readableLength).toBe(0);
  expect(memory() - before).toBeLessThan(4 * mebibyte);
  request.push(null);
  const expected = Buffer.from(Array.from({ length: pieces }, (_, i) => i % 256));
  expect((await body)?.equals(expected)).toBe(true);
});

it.each([
  ["one piece", [100]],
  ["a large piece after a small one", [1, 100_000]],
  ["a small piece after a large one", [100_000, 1]],
  ["nothing", []],
])("a body of %s is the pieces, one after the other", async (_, sizes) => {
  const request = requestOf();
  const body = readBody(request, maxSize);
  const pieces = sizes.map((size, i) => Buffer.alloc(size, i + 1));
  for (const piece of pieces) request.push(piece);
  request.push(null);
  expect((await body)?.equals(Buffer.concat(pieces))).toBe(true);
});

it("a body that is too large is read as far as shows it, and the rest is discarded", async () => {
  const request = requestOf();
  const body = readBody(request, 1_000);
  for (let i = 0; i < 20; i += 1) request.push(Buffer.alloc(100));
  expect(await body).toHaveLength(1_100);
  request.push(null);
  await once(request, "end");
});

it("a body whose client leaves in the middle is none", async () => {
  const request = requestOf();
  const body = readBody(request, 1_000);
  request.push(Buffer.alloc(100));
  request.destroy();
  expect(await body).toBeUndefined();
});

/** Sends a body in chunks of HTTP; resolves to the whole answer. */
async function sendChunks(url: string, type: string, chunks: readonly string[]): Promise<string> {
  const { port, hostname } = new URL(url);
  const tcp = dial(Number(port), hostname);
  tcp.on("error", () => {});
  let answer = "";
  tcp.setEncoding("latin1").on("data", (text: string) => (answer += text));
  tcp.write(
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ${type}\r\n` +
      `Transfer-Encoding: chunked\r\n\r\n`,
  );
  for (const chunk of chunks) tcp.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
  tcp.write("0\r\n\r\n");
  await once(tcp, "close");
  return answer;
}

it.each([
  ["application/json", '{"query":"{ __typename }"}'],
  ["application/graphql", "{ __typename }"],
  ["application/x-www-form-urlencoded", "query=%7B__typename%7D"],
])("chunks of one character each are a body of %s", async (type, body) => {
  await using curfew = await startCurfew();
  const answer = await sendChunks(curfew.url, type, [...body]);
  expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*\{"data":\{"__typename":"Query"\}\}/);
});

it("chunks that are too large together are answered 413", async () => {
  await using curfew = await startCurfew({ maxMessageSize: 2_000 });
  const chunks = Array.from({ length: 30 }, () => " ".repeat(100));
  const answer = await sendChunks(curfew.url, "application/json", chunks);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});
