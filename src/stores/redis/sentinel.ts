/** Connects through Sentinels to the current master. */
import { SentinelConnector, type Redis, type SentinelConnectionOptions } from "ioredis";
import { endpoint, sentinelEndpoint, type SentinelAddress } from "./address.ts";
import type { LinkOptions } from "./cluster.ts";

/** Interval between attempts to reconnect to a Sentinel (ms). */
const reconnectInterval = 3000;

export function sentinelOptions({ sentinels, name }: SentinelAddress): LinkOptions {
  const endpoints = sentinels.map(sentinelEndpoint);
  const { username, password, tls } = endpoints[0] ?? {};
  const { host, port: _, ...master } = endpoint(name);
  return {
    Connector,
    sentinels: endpoints.map((sentinel) => ({ host: sentinel.host, port: sentinel.port })),
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(tls && { sentinelTLS: tls }),
    // A demoted master that still runs accepts commands for seconds after a failover.
    failoverDetector: true,
    sentinelReconnectStrategy: () => reconnectInterval,
    name: host,
    ...master,
    ...(master.tls && { enableTLSForSentinelMode: true }),
  };
}

/**
 * Silences ioredis, which prints an error at each attempt to reach a Sentinel that is down. The others suffice. Sends
 * no `CLIENT SETINFO`, as the other connections.
 */
class Connector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions);
    // A private method, but the only access to the connections to Sentinels.
    type Connect = (sentinel: unknown, given?: object) => Redis;
    const connect = Reflect.get(this, "connectToSentinel") as Connect;
    const quiet: Connect = (sentinel, given) =>
      connect.call(this, sentinel, { ...given, disableClientInfo: true }).on("error", () => {});
    Reflect.set(this, "connectToSentinel", quiet);
  }
}
