/** Parses the messages of graphql-transport-ws, and keeps only the fields that graphql-ws needs. */
import { MessageType } from "graphql-ws";
import type { RawData } from "ws";

/** Bytes of an operation id in UTF-8. Clients use numbers or UUIDs; the id is stored in several places. */
const maxIdSize = 128;

export const idTooLong = `Operation ids have at most ${maxIdSize} bytes`;

const serverMessageTypes = new Set<unknown>([
  MessageType.ConnectionAck,
  MessageType.Next,
  MessageType.Error,
]);

/** Replaces a list in place of a payload: graphql-ws refuses it too, but first makes a text of the whole list. */
const noPayload: readonly unknown[] = [];

export interface SocketMessage {
  /** Input for graphql-ws, which accepts objects as well as text and refuses invalid messages. */
  readonly content: unknown;
  /** Whether only servers send messages of this type; graphql-ws throws at them. */
  readonly isForClients: boolean;
  readonly hasLongId: boolean;
}

/** The message without its text, and without fields that the protocol does not define. */
export function readMessage(data: RawData): SocketMessage {
  const { id, type, payload } = fieldsOf(data);
  return {
    content: { id, type, payload: Array.isArray(payload) ? noPayload : payload },
    isForClients: serverMessageTypes.has(type),
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
    const value: unknown = JSON.parse(decode(data));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function decode(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return (Buffer.isBuffer(data) ? data : Buffer.from(data)).toString();
}
