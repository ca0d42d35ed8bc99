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

/**
 * Returns the type to respond with, or undefined if Yoga has to choose: the client accepts no JSON, prefers a
 * stream, or weighs its types so that Yoga, which takes the first one that it knows, would choose another.
 */
export function jsonTypeFor(accept: string | undefined): JsonType | undefined {
  if (accept === undefined) return json;
  if (cache.has(accept)) return cache.get(accept);
  const [preferred] = new Negotiator({ headers: { accept } }).mediaTypes(available);
  const type = firstJsonType(accept);
  const agreed = type === preferred ? type : undefined;
  if (accept.length <= maxCachedLength) {
    if (cache.size >= maxCachedHeaders) cache.clear();
    cache.set(accept, agreed);
  }
  return agreed;
}

/** The JSON type that the header names first, as Yoga reads it; undefined if it names a stream before. */
function firstJsonType(accept: string): JsonType | undefined {
  for (const item of accept.split(",")) {
    const [name = ""] = item.trim().toLowerCase().split(";", 1);
    if (name === graphqlResponse) return graphqlResponse;
    if (name === json || name === "application/*" || name === "*/*") return json;
    if (name === "text/event-stream" || name === "multipart/mixed") return undefined;
  }
  return undefined;
}
