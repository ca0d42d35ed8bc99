/** Limits the memory of request bodies per client address until the requests are answered. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { MemoryLedger } from "../connections/memory-ledger.ts";
import { deviceOf } from "../request/client-info.ts";

export interface BodyOptions {
  readonly ledger?: MemoryLedger;
  /** Maximum size of a body (bytes). */
  readonly maxMessageSize: number;
  readonly trustProxy: number;
}

/** Largest body that is not counted (bytes): as much as its connection uses anyway. */
const uncountedBodySize = 16 * 1024;

/** Whether the body may be read. */
export function mayReadBody(
  request: IncomingMessage,
  response: ServerResponse,
  { ledger, maxMessageSize, trustProxy }: BodyOptions,
): boolean {
  const bytes = Math.min(maxSizeOf(request), maxMessageSize);
  if (ledger === undefined || bytes <= uncountedBodySize) return true;
  const { ipAddress } = deviceOf(request, trustProxy);
  const charge = ledger.charge({ ipAddress }, bytes);
  if (charge === undefined) return false;
  response.once("close", charge.release);
  return true;
}

/** Infinity if the client does not declare the size. */
function maxSizeOf({ headers }: IncomingMessage): number {
  if (headers["transfer-encoding"] !== undefined) return Infinity;
  return Number(headers["content-length"] ?? 0);
}
