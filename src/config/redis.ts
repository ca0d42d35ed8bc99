/** What the places of a cluster's nodes and of Sentinels must be. */
import { z } from "zod";
import { endpoint, type Endpoint } from "../stores/redis/address.ts";

export const redisPlaces = z
  .array(
    z.string("a text").refine(isPlace, "a host and port, or a redis:// or rediss:// URL of them"),
    "a list of hosts and ports",
  )
  .min(1, "at least one host and port")
  .refine(haveOneUser, "URLs with the same protocol, user and password, if any has them");

export const redisSentinelName = z
  .string("a text")
  .refine(isName, "a name, or a redis:// or rediss:// URL with it as the host");

function isPlace(text: string): boolean {
  const place = read(text);
  return place !== undefined && place.db === undefined;
}

function isName(text: string): boolean {
  const place = read(text);
  return place !== undefined && /^[\w.-]+$/.test(place.host) && place.port === noPort;
}

/** To ignore those of all but the first would be to start another server than was asked for. */
function haveOneUser(texts: readonly string[]): boolean {
  const users = texts.map((text) => {
    const { username, password, tls } = read(text) ?? {};
    return JSON.stringify([username, password, tls]);
  });
  return new Set(users).size <= 1;
}

const noPort = 0;

function read(text: string): Endpoint | undefined {
  try {
    return endpoint(text, noPort);
  } catch {
    return undefined;
  }
}
