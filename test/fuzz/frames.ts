/** Arbitraries of WebSocket frames: messages in and out of order, fragments and invalid frames. */
import * as fc from "fast-check";
import { anyText, damaged, document, credentialPlaceholder, params } from "./documents.ts";

export interface Frame {
  /** The first byte (RFC 6455 §5.2): FIN, three reserved bits and the opcode. */
  readonly head: number;
  readonly payload: string | Buffer;
  readonly masked: boolean;
}

const text = 0x81;

function singleFrame(payload: string): Frame[] {
  return [{ head: text, payload, masked: true }];
}

const id = fc.oneof(
  { weight: 20, arbitrary: fc.nat({ max: 99 }).map(String) },
  { weight: 1, arbitrary: anyText },
);
const reply = fc.oneof(anyText, fc.jsonValue({ maxDepth: 2 }));

const operation = fc.record({
  id,
  type: fc.constant("subscribe"),
  payload: fc.record(
    {
      query: document,
      variables: fc.dictionary(anyText, fc.oneof(credentialPlaceholder, reply), { maxKeys: 3 }),
      operationName: fc.constantFrom("A", "B", null, ""),
      extensions: fc.dictionary(anyText, reply, { maxKeys: 2 }),
    },
    { requiredKeys: ["query"] },
  ),
});
const validMessage = fc.oneof(
  { weight: 8, arbitrary: operation },
  { weight: 4, arbitrary: fc.record({ id, type: fc.constant("complete") }) },
  fc.record(
    { type: fc.constantFrom("ping", "pong"), payload: fc.dictionary(anyText, reply) },
    { requiredKeys: ["type"] },
  ),
);
const invalidMessage = fc.oneof(
  fc.record(
    {
      id: fc.oneof(id, fc.jsonValue({ maxDepth: 1 })),
      type: fc.oneof(
        fc.constantFrom("connection_init", "connection_ack", "next", "error", "complete", "ping"),
        reply,
      ),
      payload: fc.oneof(params, reply),
    },
    { requiredKeys: [] },
  ),
  fc.record({ id, type: fc.constant("subscribe"), payload: params }),
  fc.jsonValue({ maxDepth: 3 }),
);

const message = fc.oneof(
  { weight: 150, arbitrary: validMessage.map((one) => JSON.stringify(one)) },
  { weight: 2, arbitrary: damaged(validMessage.map((one) => JSON.stringify(one))) },
  { weight: 1, arbitrary: invalidMessage.map((one) => JSON.stringify(one)) },
  fc
    .nat({ max: 100_000 })
    .map((n) => `{"type":"ping","payload":{"a":${"[".repeat(n)}${"]".repeat(n)}}}`),
);

/** A message in fragments, sometimes with a ping between them. */
const fragments = fc
  .tuple(message, fc.array(fc.nat(), { maxLength: 3 }), fc.boolean())
  .map(([payload, cuts, withPing]): Frame[] => {
    const bytes = Buffer.from(payload);
    const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted(
      (a, b) => a - b,
    );
    const pieces = at.slice(1).map((end, i): Frame => {
      const fin = i === at.length - 2 ? 0x80 : 0;
      return { head: fin | (i === 0 ? 1 : 0), payload: bytes.subarray(at[i], end), masked: true };
    });
    const ping: Frame = { head: 0x89, payload: "?", masked: true };
    return withPing ? pieces.flatMap((piece, i) => (i === 0 ? [piece] : [ping, piece])) : pieces;
  });

const control = fc
  .tuple(fc.constantFrom(0x89, 0x8a), fc.uint8Array({ maxLength: 125 }))
  .map(([head, payload]): Frame[] => [{ head, payload: Buffer.from(payload), masked: true }]);

const anyFrame = fc
  .record({
    head: fc.oneof(fc.constantFrom(0x82, 0x88, 0x80, 0x01, 0xc1), fc.nat({ max: 255 })),
    payload: fc.oneof(
      anyText,
      fc.uint8Array({ maxLength: 130 }).map((bytes) => Buffer.from(bytes)),
      fc.nat({ max: 300_000 }).map((n) => " ".repeat(n)),
    ),
    masked: fc.boolean(),
  })
  .map((one): Frame[] => [one]);

/** A step is one message, valid or not, in one or more frames. */
const step = fc.oneof(
  { weight: 60, arbitrary: message.map(singleFrame) },
  { weight: 12, arbitrary: fragments },
  { weight: 6, arbitrary: control },
  { weight: 1, arbitrary: anyFrame },
);

export interface Script {
  /** The payload of `connection_init` as JSON; if undefined, the script sends none. */
  readonly init: string | undefined;
  readonly steps: readonly (readonly Frame[])[];
}

const init = fc.oneof(
  { weight: 12, arbitrary: fc.constant('{"token":"ACCESS_TOKEN"}') },
  fc
    .oneof(fc.record({ token: fc.oneof(credentialPlaceholder, reply), headers: reply }), reply)
    .map((one) => JSON.stringify(one)),
  fc.constant(undefined),
);

export const script: fc.Arbitrary<Script> = fc.record({
  init,
  steps: fc.array(step, { minLength: 50, maxLength: 50 }),
});

/** Encodes a frame; the mask is zero, which leaves the payload unchanged. */
export function encodeFrame({ head, masked }: Frame, payload: Buffer): Buffer {
  const mask = masked ? 0x80 : 0;
  const { length } = payload;
  const lengths =
    length < 126
      ? Buffer.from([mask | length])
      : length < 65_536
        ? Buffer.from([mask | 126, length >> 8, length & 255])
        : Buffer.from([mask | 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255]);
  return Buffer.concat([Buffer.from([head]), lengths, Buffer.alloc(masked ? 4 : 0), payload]);
}
