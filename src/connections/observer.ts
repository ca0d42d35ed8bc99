/** Events of connections, for metrics. */
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { ReportedEnd } from "../session/ends.ts";

export type Transport = "socket" | "stream";

/** Called often: implementations must be quick and must not throw. */
export interface ConnectionObserver {
  /** A socket was opened, or a stream began. */
  opened(transport: Transport): void;
  /** A socket or stream ended. */
  ended(transport: Transport, reason: CloseReason): void;
  /**
   * A session with that many connections on this node is known to have ended.
   *
   * @returns a callback for each of these connections as it closes
   */
  closing(end: ReportedEnd, connections: number): () => void;
  /** A session with connections turned out to have ended, although no message was received. */
  missedEndDetected(): void;
  /** A recheck of all sessions took that many milliseconds. `isComplete`: the store answered for each session. */
  rechecked(milliseconds: number, isComplete: boolean): void;
}

export const noObserver: ConnectionObserver = {
  opened: () => {},
  ended: () => {},
  closing: () => () => {},
  missedEndDetected: () => {},
  rechecked: () => {},
};
