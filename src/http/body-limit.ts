/** Charges an address for the bodies of its requests until they are answered. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { MemoryLedger } from "../connections/memory-ledger.ts";
import { deviceOf } from "../request/client-info.ts";

export interface BodyOptions {
  readonly ledger?: MemoryLedger;
  /** Bytes of a body. */
  readonly maxMessageSize: number;
  readonly trustProxy: number;
}

/** Bytes of a body that is not counted: as much as its connection takes anyway. */
const uncounted = 16 * 1024;

/** Whether the body may be read. */
export function mayRead(
  request: IncomingMessage,
  response: ServerResponse,
  { ledger, maxMessageSize, trustProxy }: BodyOptions,
): boolean {
  const bytes = Math.min(sizeOf(request), maxMessageSize);
  if (ledger === undefined || bytes <= uncounted) return true;
  const { ipAddress } = deviceOf(request, trustProxy);
  const charge = ledger.charge({ ipAddress }, bytes);
  if (charge === undefined) return false;
  response.once("close", charge.release);
  return true;
}

/** As much as there may be, where the client does not say how much there is. */
function sizeOf({ headers }: IncomingMessage): number {
  if (headers["transfer-encoding"] !== undefined) return Infinity;
  return Number(headers["content-length"] ?? 0);
}
