/** The rules for the endpoints of cluster nodes and Sentinels. */
import { z } from "zod";
import { endpoint, type Endpoint } from "../stores/redis/address.ts";

export const redisEndpoints = z
  .array(
    z
      .string("a string")
      .refine(isEndpoint, "a host and port, or a redis:// or rediss:// URL of them"),
    "a list of hosts and ports",
  )
  .min(1, "at least one host and port")
  .refine(haveOneUser, "URLs with the same protocol, user and password, if any of them has these");

export const redisSentinelName = z
  .string("a string")
  .refine(isName, "a name, or a redis:// or rediss:// URL that has the name as its host");

function isEndpoint(text: string): boolean {
  const found = readEndpoint(text);
  return found !== undefined && found.db === undefined;
}

function isName(text: string): boolean {
  const found = readEndpoint(text);
  return found !== undefined && /^[\w.-]+$/.test(found.host) && found.port === noPort;
}

/** Only the first endpoint's user would be used. Ignoring another one would connect differently than the operator asked. */
function haveOneUser(texts: readonly string[]): boolean {
  const users = texts.map((text) => {
    const { username, password, tls } = readEndpoint(text) ?? {};
    return JSON.stringify([username, password, tls]);
  });
  return new Set(users).size <= 1;
}

const noPort = 0;

function readEndpoint(text: string): Endpoint | undefined {
  try {
    return endpoint(text, noPort);
  } catch {
    return undefined;
  }
}
