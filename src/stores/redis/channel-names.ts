/** Names Redis channels. Pub/sub ignores database numbers, so the channels of each database have names of their own. */

export interface ChannelNaming {
  /** @default 0 */
  readonly database?: number;
  /** Separates deployments that share a database. Default: none */
  readonly prefix?: string | undefined;
}

/** Returns the channel of a topic. */
export type ChannelOf = (topic: string) => string;

const namespace = "curfew:";

/**
 * In database 0 and without a prefix, channels have the names of their topics, as in versions before 0.2. Otherwise
 * the names of the deployment follow `curfew:`, with which all topics begin, so that one ACL rule covers all channels.
 */
export function channelNames({ database = 0, prefix }: ChannelNaming = {}): ChannelOf {
  const parts = [prefix, database === 0 ? undefined : `db${database}`];
  const deployment = parts.flatMap((part) => (part ? [`${part}:`] : [])).join("");
  return (topic) => topic.replace(namespace, `${namespace}${deployment}`);
}
