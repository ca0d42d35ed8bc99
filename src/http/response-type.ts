/** Negotiates the media type of a JSON response (RFC 9110 §12.5.1, GraphQL over HTTP). */
import Negotiator from "negotiator";

const json = "application/json";
const graphqlResponse = "application/graphql-response+json";

export type JsonType = typeof json | typeof graphqlResponse;

/** The media types that Yoga supports. If a client accepts two equally, the first is chosen. */
const available = [json, graphqlResponse, "text/event-stream", "multipart/mixed"];

/** A deployment has few kinds of clients, each with one header; the bounds are against hostile ones. */
const maxCachedHeaders = 100;
const maxCachedLength = 256;

const cache = new Map<string, JsonType | undefined>();

/** The type to respond with; undefined if the client accepts no JSON, or prefers a stream. */
export function jsonTypeFor(accept: string | undefined): JsonType | undefined {
  if (accept === undefined) return json;
  if (cache.has(accept)) return cache.get(accept);
  const [preferred] = new Negotiator({ headers: { accept } }).mediaTypes(available);
  const type = preferred === json || preferred === graphqlResponse ? preferred : undefined;
  if (accept.length <= maxCachedLength) {
    if (cache.size >= maxCachedHeaders) cache.clear();
    cache.set(accept, type);
  }
  return type;
}
