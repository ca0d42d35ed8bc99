/** How to be led by Sentinels to the master of the day. */
import { SentinelConnector, type Redis, type SentinelConnectionOptions } from "ioredis";
import { endpoint, sentinelEndpoint, type SentinelAddress } from "./address.ts";
import type { LinkOptions } from "./cluster.ts";

/** Milliseconds from one attempt to hear from a Sentinel again to the next. */
const reconnectInterval = 3000;

export function sentinelOptions({ sentinels, name }: SentinelAddress): LinkOptions {
  const places = sentinels.map(sentinelEndpoint);
  const { username, password, tls } = places[0] ?? {};
  const { host, port: _, ...master } = endpoint(name);
  return {
    Connector,
    sentinels: places.map((place) => ({ host: place.host, port: place.port })),
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(tls && { sentinelTLS: tls }),
    // An old master that still runs takes commands for seconds after there is a new one.
    failoverDetector: true,
    sentinelReconnectStrategy: () => reconnectInterval,
    name: host,
    ...master,
    ...(master.tls && { enableTLSForSentinelMode: true }),
  };
}

/** One Sentinel that is down is no trouble; ioredis would print an error at each attempt to reach it. */
class Connector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions);
    // It is private, and nothing else has the links to the Sentinels.
    type Link = (...args: unknown[]) => Redis;
    const link = Reflect.get(this, "connectToSentinel") as Link;
    const quiet: Link = (...args) => link.apply(this, args).on("error", () => {});
    Reflect.set(this, "connectToSentinel", quiet);
  }
}
