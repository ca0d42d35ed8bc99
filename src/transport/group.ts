/** What runs on this node under one session. */
import type { Life } from "../session/life.ts";
import type { Unsubscribe } from "../session/topics.ts";

/** All connections of one session: they share a topic and a deadline. */
export interface Group {
  readonly fingerprint: string;
  readonly lives: Set<Life>;
  /** Requests that are slow to be answered: they end with the session, but are no connections. Few have any. */
  requests: Set<Life> | undefined;
  readonly subscribed: Promise<Unsubscribe>;
  accessExpiresAt: number;
  cancelDeadline: () => void;
  /** When the store was last asked for it and answered, by `uptime`. */
  answeredAt: number;
  /** It was asked since, and did not. */
  isUnanswered: boolean;
}

export function sizeOf({ lives, requests }: Group): number {
  return lives.size + (requests?.size ?? 0);
}
