/** What the transport tells of itself to whoever counts. */
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { SessionMessage } from "../session/messages.ts";

export type Transport = "socket" | "stream";

/** Called often: whatever listens must be quick, and never throw. */
export interface ConnectionObserver {
  /** A socket opened, or a stream began. */
  opened(transport: Transport): void;
  /** One of those ended. */
  ended(transport: Transport, ending: CloseReason): void;
  /**
   * It is heard that a session ended, under which so many connections run here.
   *
   * @returns what is called as each of them closes
   */
  closing(end: SessionMessage & { readonly type: "ended" }, connections: number): () => void;
  /** A session with connections had ended, and no message had said so. */
  missedEndDetected(): void;
  /** A recheck of all sessions took so many milliseconds; whether the store answered for each. */
  rechecked(milliseconds: number, isWhole: boolean): void;
}

export const noObserver: ConnectionObserver = {
  opened: () => {},
  ended: () => {},
  closing: () => () => {},
  missedEndDetected: () => {},
  rechecked: () => {},
};
