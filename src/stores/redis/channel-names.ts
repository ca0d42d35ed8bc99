/** Names Redis channels. Pub/sub ignores database numbers, so the channels of each database have names of their own. */

export interface ChannelNaming {
  /** @default 0 */
  readonly database?: number;
  /** Separates deployments that share a database. Default: none */
  readonly prefix?: string | undefined;
}

/** Returns the channel of a topic. */
export type ChannelOf = (topic: string) => string;

/** All topics begin with it. */
const namespace = "curfew:";

/**
 * In database 0 and without a prefix, channels have the names of their topics, as in versions before 0.2. Otherwise
 * `prefix@database` follows `curfew:`, so that one ACL rule covers all channels. No topic and no prefix has an `@`
 * there, so no two deployments have a channel in common.
 */
export function channelNames({ database = 0, prefix = "" }: ChannelNaming = {}): ChannelOf {
  if (database === 0 && prefix === "") return (topic) => topic;
  return (topic) => `${namespace}${prefix}@${database}:${topic.slice(namespace.length)}`;
}
