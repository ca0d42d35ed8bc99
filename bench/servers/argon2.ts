/** Argon2id alone, with Curfew's cost and as many verifications at once. */
import { availableParallelism } from "node:os";
import { hash, verify } from "@node-rs/argon2";
import { serveOrders } from "../harness/orders.ts";
import { basics } from "./basics.ts";

const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const atOnce = Math.max(1, Math.min(availableParallelism(), 4) - 1);
const password = "correct horse battery staple";
const hashed = await hash(password, cost);

const orders = {
  ...basics,

  /** Resolves to the duration in seconds. */
  async verify({ count }: { count: number }): Promise<number> {
    let left = count;
    const work = async () => {
      while ((left -= 1) >= 0)
        if (!(await verify(hashed, password))) throw new Error("The right password was refused.");
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: atOnce }, work));
    return (performance.now() - began) / 1_000;
  },
};
export type Argon2Orders = typeof orders;

serveOrders(orders);
