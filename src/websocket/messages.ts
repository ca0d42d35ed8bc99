/** Reads the messages of graphql-transport-ws, and keeps no more of them than graphql-ws needs. */
import { MessageType } from "graphql-ws";
import type { RawData } from "ws";

/** Bytes of an operation's id, in UTF-8. Clients use numbers or UUIDs; it is kept in several places. */
const maxIdSize = 128;

export const idTooLong = `Operation ids have at most ${maxIdSize} bytes`;

const forClients = new Set<unknown>([
  MessageType.ConnectionAck,
  MessageType.Next,
  MessageType.Error,
]);

/** Stands for any list in place of a payload: graphql-ws refuses it too, and makes a text of the whole of it. */
const noPayload: readonly unknown[] = [];

export interface Message {
  /** For graphql-ws, which takes objects as well as text and refuses what is no message. */
  readonly content: unknown;
  /** Only servers send such messages; graphql-ws throws at those. */
  readonly isForClients: boolean;
  readonly hasLongId: boolean;
}

/** The message without its text, and without fields that the protocol does not have. */
export function readMessage(data: RawData): Message {
  const { id, type, payload } = fieldsOf(data);
  return {
    content: { id, type, payload: Array.isArray(payload) ? noPayload : payload },
    isForClients: forClients.has(type),
    hasLongId: typeof id === "string" && isLongId(id),
  };
}

export function isLongId(id: string): boolean {
  return Buffer.byteLength(id) > maxIdSize;
}

interface Fields {
  readonly id?: unknown;
  readonly type?: unknown;
  readonly payload?: unknown;
}

function fieldsOf(data: RawData): Fields {
  try {
    const value: unknown = JSON.parse(text(data));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function text(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return (Buffer.isBuffer(data) ? data : Buffer.from(data)).toString();
}
