/** A process that verifies one token repeatedly. */
import { serveOrders } from "../harness/orders.ts";
import { basics } from "./basics.ts";

export interface Verifications {
  readonly token: string;
  readonly warmUp: number;
  readonly count: number;
}

export interface Verified {
  /** Nanoseconds per verification. */
  readonly wall: number;
  readonly cpu: number;
}

export interface VerifyingOrders extends Readonly<
  Record<string, (argument: Verifications) => unknown>
> {
  readonly verify: (argument: Verifications) => Promise<Verified>;
}

/** @param isGood verifies the token. A boolean is not awaited, because `await` has a cost. */
export function serveVerifying(isGood: (token: string) => boolean | Promise<boolean>): void {
  const times = async (token: string, count: number) => {
    for (let i = 0; i < count; i += 1) {
      const good = isGood(token);
      if (!(typeof good === "boolean" ? good : await good))
        throw new Error("A valid token was refused.");
    }
  };
  const orders: VerifyingOrders = {
    async verify({ token, warmUp, count }) {
      await times(token, warmUp);
      const [cpu, began] = [basics.cpu(), performance.now()];
      await times(token, count);
      return {
        wall: ((performance.now() - began) * 1e6) / count,
        cpu: ((basics.cpu() - cpu) * 1e3) / count,
      };
    },
  };
  serveOrders(orders);
}
