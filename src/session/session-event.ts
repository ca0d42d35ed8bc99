/** The event of a session, as the subscription of its user's other sessions delivers it. */
import type { EndReason } from "../protocol/end-reasons.ts";
import type { Session } from "./session.ts";

export type SessionEvent =
  | { readonly type: "STARTED" | "RENEWED"; readonly session: Session; readonly at: number }
  | {
      readonly type: "REPLAYED";
      readonly session: Session;
      /** Null if it is unknown or the message was lost. */
      readonly address: string | null;
      readonly at: number;
    }
  | {
      readonly type: "ENDED";
      readonly session: Session;
      /** Null if the message was lost. */
      readonly reason: EndReason | null;
      readonly at: number;
    };
