/** What runs on this node under one session. */
import type { Life } from "../session/life.ts";
import type { SessionMessage } from "../session/messages.ts";
import type { Unsubscribe } from "../session/topics.ts";
import type { Meter } from "./meter.ts";

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

/** Whether there are connections of which no end is known. */
export function hasOpen({ lives }: Group): boolean {
  return lives.values().some(({ ending }) => ending === undefined);
}

/** Before they are ended, each once: a message may come twice, and those that wait for an answer stay a while. */
export function tellOfClosing(
  { lives }: Group,
  end: SessionMessage & { readonly type: "ended" },
  meter: Meter,
): void {
  const open = [...lives].filter(({ ending }) => ending === undefined);
  if (open.length === 0) return;
  const closed = meter.closing(end, open.length);
  for (const life of open) life.onEnd(closed);
}
