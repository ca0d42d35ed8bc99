/** Redis alone, through Curfew's clients: the minimum cost of a logout and of a renewal. */
import { serveOrders } from "../harness/orders.ts";
import { machineTime } from "../harness/clock.ts";
import { nodeLimits } from "../../src/node/limits.ts";
import { commandClient, subscriberClient } from "../../src/stores/redis/client.ts";
import { defineScripts } from "../../src/stores/redis/scripts.ts";
import { basics } from "./basics.ts";
import type { Renewals } from "./curfew.ts";

const url = process.env["REDIS_URL"] ?? "";
const client = await commandClient(url, nodeLimits.redis);
const subscriber = await subscriberClient(url, nodeLimits.redis);
defineScripts(client);

const orders = {
  ...basics,

  /** Measures the time from PUBLISH to the subscriber's callback, one message after the other (ms). */
  async publish({ count }: { count: number }): Promise<number[]> {
    const channel = "bench:published";
    let heard: (() => void) | undefined;
    subscriber.on("message", () => heard?.());
    await subscriber.subscribe(channel);
    const latencies: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const began = machineTime();
      const arrived = new Promise<void>((resolve) => (heard = resolve));
      void client.publish(channel, String(i));
      await arrived;
      latencies.push(machineTime() - began);
    }
    return latencies;
  },

  /** Runs the renewal script `times` times for each session. Resolves to the duration in seconds. */
  async renew({ fingerprints, times, atOnce }: BareRenewals): Promise<number> {
    const left = fingerprints.values();
    const work = async () => {
      for (const fingerprint of left)
        for (let generation = 0; generation < times; generation += 1) {
          const now = Date.now();
          const [outcome] = await client.curfewRenew(
            `curfew:session:{${fingerprint}}`,
            now,
            generation,
            generation,
            now + 1_800_000,
            now + 2_592_000_000,
            10_000,
            0,
            "127.0.0.0/24",
            1,
            fingerprint,
            "",
          );
          if (outcome !== "rotated") throw new Error(outcome);
        }
    };
    const began = machineTime();
    await Promise.all(Array.from({ length: atOnce }, work));
    return (machineTime() - began) / 1_000;
  },
};

export interface BareRenewals extends Omit<Renewals, "tokens"> {
  readonly fingerprints: readonly string[];
}
export type RedisOrders = typeof orders;

serveOrders(orders);
