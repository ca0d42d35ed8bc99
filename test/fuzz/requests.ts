/** Arbitraries of HTTP requests, and of requests with damaged bytes. */
import { METHODS } from "node:http";
import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { anyText, document, json, credentialPlaceholder, params } from "./documents.ts";

export interface Input {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

const payload = fc.oneof(
  { weight: 14, arbitrary: json },
  { weight: 1, arbitrary: document },
  { weight: 1, arbitrary: anyText },
  { weight: 1, arbitrary: fc.nat({ max: 300_000 }).map((n) => `{"query":"${" ".repeat(n)}"}`) },
);
const body = fc.oneof(
  { weight: 20, arbitrary: payload },
  payload.map((one) => gzipSync(one)),
  payload.map((one) => Buffer.from(one, "utf16le")),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
);

/** Truncated: Node accepts at most 16 KiB of headers. */
const inUrl = params.map((one) => {
  const pairs = Object.entries(one ?? {}).map(([key, value]) => [
    key,
    (typeof value === "string" ? value : JSON.stringify(value)).toWellFormed(),
  ]);
  return `/graphql?${new URLSearchParams(pairs).toString().slice(0, 12_000)}`;
});
const target = fc.oneof(
  { weight: 12, arbitrary: fc.constant("/graphql") },
  { weight: 6, arbitrary: inUrl },
  fc.constantFrom("/", "/health", "/ready", "/graphql/", "/graphql/x", "//", "/graphql?query"),
  anyText.map((some) => `/${encodeURI(some.toWellFormed())}`),
);

const type = fc.oneof(
  { weight: 12, arbitrary: fc.constant("application/json") },
  fc.constantFrom(
    "application/json; charset=utf-8",
    "application/json; charset=utf-16",
    "application/graphql",
    "application/graphql+json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain",
    ";;;",
  ),
  anyText,
);
const accept = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("*/*", "application/json") },
  fc.constantFrom(
    "application/graphql-response+json",
    "text/event-stream",
    "multipart/mixed",
    "text/html",
    "application/graphql-response+json, application/json;q=0.9",
    "image/png",
    ",;q=2",
  ),
  anyText,
);
const authorization = fc
  .tuple(
    fc.constantFrom("Bearer ", "bearer  ", "Basic ", ""),
    fc.oneof(credentialPlaceholder, credentialPlaceholder, anyText),
  )
  .map((parts) => parts.join(""));
const commonHeaders = fc.record(
  { "content-type": type, accept, authorization },
  { requiredKeys: [] },
);
const rareHeaders = fc.record(
  {
    "content-encoding": fc.constantFrom("gzip", "identity", "x, gzip"),
    origin: fc.oneof(fc.constantFrom("null", "https://else.test", "http://["), anyText),
    "sec-fetch-site": fc.oneof(fc.constantFrom("same-origin", "none", "cross-site"), anyText),
    expect: fc.constantFrom("100-continue", "100-continue", "100-continue", "x"),
    "x-forwarded-for": fc.oneof(fc.ipV4(), fc.constantFrom("::1", "2001:db8::1, ::"), anyText),
    "user-agent": anyText,
    cookie: anyText,
    "access-control-request-method": anyText,
    "accept-encoding": anyText,
    "x-requested-with": anyText,
  },
  { requiredKeys: [] },
);

/** Replaces the characters that Node's client refuses in a header value. */
function headerValue(text: string): string {
  return text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "?").trim();
}

const headers = fc
  .tuple(commonHeaders, fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, rareHeaders))
  .map(([one, other]) =>
    Object.fromEntries(
      Object.entries({ ...one, ...other }).map(([name, value]) => [name, headerValue(value ?? "")]),
    ),
  );

export const request: fc.Arbitrary<Input> = fc.record({
  method: fc.oneof(
    { weight: 24, arbitrary: fc.constant("POST") },
    { weight: 10, arbitrary: fc.constant("GET") },
    fc.constantFrom(...METHODS.filter((method) => method !== "CONNECT")),
  ),
  target,
  headers,
  body,
});

const requestBytes = [
  'POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{"query":"{ hello }"}',
  'POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n{"query":"{ hello }"}\r\n0\r\n\r\n',
  "GET /graphql?query={hello} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nOrigin: http://a\r\n\r\n",
  "OPTIONS /graphql HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Method: POST\r\n\r\n",
  "GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n\x81\x80\0\0\0\0",
];
const damage = fc.tuple(
  fc.nat(),
  fc.nat({ max: 10 }),
  fc.oneof(
    fc.constantFrom(
      "",
      "\r\n",
      "\n",
      "\0",
      ":",
      " ",
      "\r\n\r\n",
      "Content-Length: 5\r\n",
      "99999999999",
    ),
    fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
  ),
);
export const brokenBytes = fc
  .tuple(fc.constantFrom(...requestBytes), fc.array(damage, { minLength: 1, maxLength: 4 }))
  .map(([head, damages]) => {
    let text = head;
    for (const [where, length, other] of damages) {
      const at = where % (text.length + 1);
      text = text.slice(0, at) + other + text.slice(at + length);
    }
    return Buffer.from(text, "latin1");
  });
