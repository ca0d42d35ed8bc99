/** Fuzzes the server over HTTP: every response is well-formed, and the server leaks nothing. */
import { once } from "node:events";
import { Agent, request as ask, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { eventTimeout } from "../helpers/timeouts.ts";
import { withCredentials, type Credentials } from "./documents.ts";
import { brokenBytes, request, type Input } from "./requests.ts";
import { startFuzzedServer } from "./server.ts";

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

/** Sends a request; returns the response, or only the first chunk of a stream. */
async function send(url: string, input: Input, loot: Credentials) {
  const { port, hostname } = new URL(url);
  const { method } = input;
  const path = withCredentials(input.target, loot);
  const body = typeof input.body === "string" ? withCredentials(input.body, loot) : input.body;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(input.headers))
    headers[name] = withCredentials(value, loot);
  const hasBody = method === "POST" || body.length % 4 === 0;
  if (hasBody) headers["content-length"] = String(Buffer.byteLength(body));
  const outgoing = ask({ agent, port, hostname, method, path, headers });
  outgoing.setTimeout(eventTimeout, () => outgoing.destroy(new Error("No response")));
  // Errors may also follow the response, if the server does not read the rest of the request.
  outgoing.on("error", () => {});
  outgoing.end(hasBody ? body : undefined);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  const { statusCode: status = 0, headers: got } = answer;
  const type = got["content-type"] ?? "";
  const chunks: Buffer[] = [];
  const isStream = type.startsWith("text/event-stream") || type.startsWith("multipart/");
  try {
    for await (const chunk of answer) {
      chunks.push(chunk as Buffer);
      if (isStream) break;
    }
  } finally {
    if (isStream) outgoing.destroy();
  }
  return { status, type, isStream, text: Buffer.concat(chunks).toString() };
}

type Answer = Awaited<ReturnType<typeof send>>;

function expectWellFormed({ status, type, isStream, text }: Answer): void {
  expect(status).toBeGreaterThanOrEqual(200);
  expect(status).toBeLessThan(500);
  expect(text).not.toMatch(/INTERNAL_SERVER_ERROR|node_modules|\.[jt]s:\d|TypeError|RangeError/);
  if (text === "" || isStream) return;
  expect(type).toMatch(/; charset=utf-8$/);
  if (!/^application\/(graphql-response\+)?json/.test(type)) return;
  const answer = JSON.parse(text) as { data?: unknown; errors?: { message: unknown }[] };
  // Health probes do not return a GraphQL result.
  expect("data" in answer || "errors" in answer || "ready" in answer).toBe(true);
  for (const { message } of answer.errors ?? []) expect(message).toEqual(expect.any(String));
}

/** Sends raw bytes; returns the response when the connection is closed. */
async function sendRaw(url: string, bytes: Buffer): Promise<string> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {}).setTimeout(10_000, () => socket.destroy());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
  socket.end(bytes);
  await closed;
  return answer;
}

it("20,000 generated requests receive well-formed responses", { timeout: 1_000_000 }, async () => {
  await using fuzzed = await startFuzzedServer();
  const inputs = fc.array(request, { minLength: 25, maxLength: 25 });
  const property = fc.asyncProperty(inputs, async (all) => {
    const { loot, url } = await fuzzed.next();
    const answers = await Promise.all(all.map((one) => send(url, one, loot)));
    for (const answer of answers) expectWellFormed(answer);
  });
  await fc.assert(property, { numRuns: 800, endOnFailure: true });
  agent.destroy();
  await fuzzed.expectNothingLeft();
});

it(
  "5,000 requests with damaged bytes receive a short refusal or a closed connection",
  { timeout: 1_000_000 },
  async () => {
    await using fuzzed = await startFuzzedServer();
    const inputs = fc.array(brokenBytes, { minLength: 20, maxLength: 20 });
    const property = fc.asyncProperty(inputs, async (all) => {
      const { url } = await fuzzed.next();
      for (const answer of await Promise.all(all.map((one) => sendRaw(url, one)))) {
        expect(answer).toMatch(/^(HTTP\/1\.1 [1-4]\d\d |$)/);
        expect(answer).not.toMatch(/HTTP\/1\.1 5|INTERNAL_SERVER_ERROR|node_modules|\.[jt]s:\d/);
      }
    });
    await fc.assert(property, { numRuns: 250 });
    await fuzzed.expectNothingLeft();
  },
);
