/** The contract suite of pub/sub adapters. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Listener, PubSub } from "../session/pubsub.ts";
import { until } from "./until.ts";

export interface MadePubSub {
  /** Two nodes, which may be the same if there can be only one. */
  readonly here: PubSub;
  readonly there: PubSub;
  /** The errors that the nodes reported to `onError`. */
  readonly errors: readonly unknown[];
  readonly dispose: () => Promise<void>;
}

export function pubSubContract(name: string, makeTopics: () => Promise<MadePubSub>): void {
  describe(`${name} as a pub/sub`, () => {
    let made: MadePubSub;
    let here: PubSub;
    let there: PubSub;

    /** Separate topics for each test: in a cluster, messages of the previous test may still be in flight. */
    let a: string;
    let b: string;

    beforeEach(async () => {
      [a, b] = [randomUUID(), randomUUID()];
      made = await makeTopics();
      ({ here, there } = made);
    });
    afterEach(() => made.dispose());

    /** Resolves when all messages published before have arrived. */
    async function settled(topic: string): Promise<void> {
      const received: unknown[] = [];
      const leave = await here.subscribe(topic, (message) => received.push(message));
      await there.publish(topic, "settled");
      await until(() => received.includes("settled"), "the last message");
      leave();
    }

    test("a message reaches every listener of its topic on every node, and no listener of another topic", async () => {
      const received: string[] = [];
      await here.subscribe(a, (message) => received.push(`here ${String(message)}`));
      await here.subscribe(a, (message) => received.push(`too ${String(message)}`));
      await there.subscribe(a, (message) => received.push(`there ${String(message)}`));
      await here.subscribe(b, (message) => received.push(`b ${String(message)}`));
      await there.publish(a, 1);
      await until(() => received.length >= 3, "three deliveries");
      await settled(a);
      expect(received.filter((text) => text.endsWith("1")).toSorted()).toEqual([
        "here 1",
        "there 1",
        "too 1",
      ]);
      expect(received.some((text) => text.startsWith(b))).toBe(false);
    });

    test("messages arrive in order, as parsed JSON and not as the publisher's objects", async () => {
      const received: unknown[] = [];
      await here.subscribe(a, (message) => received.push(message));
      const sent = { text: "\u{1F512}", list: [1, null], gone: undefined };
      const first = there.publish(a, sent);
      sent.text = "changed";
      await first;
      await there.publish(a, 2);
      await until(() => received.length === 2, "both messages");
      expect(received).toStrictEqual([{ text: "\u{1F512}", list: [1, null] }, 2]);
    });

    test("publish returns before any listener is called", async () => {
      let received = false;
      await here.subscribe(a, () => (received = true));
      const published = here.publish(a, 1);
      expect(received).toBe(false);
      await published;
      await until(() => received, "the delivery");
    });

    test("a listener that throws is reported and does not affect the others", async () => {
      let received = 0;
      const fault = new Error("A listener's");
      await here.subscribe(a, () => {
        throw fault;
      });
      await here.subscribe(a, () => received++);
      await here.publish(a, 1);
      await here.publish(a, 2);
      await until(() => received === 2, "the other listener");
      expect(made.errors).toEqual([fault, fault]);
    });

    test("a listener that unsubscribes itself and others takes effect at once", async () => {
      const received: string[] = [];
      const leave: (() => void)[] = [];
      for (const listenerName of ["one", "two", "three"]) {
        const listener: Listener = (message) => {
          received.push(`${listenerName} ${String(message)}`);
          for (const each of leave) each();
        };
        leave.push(await here.subscribe(a, listener));
      }
      await here.publish(a, 1);
      await until(() => received.length > 0, "the first listener");
      await here.publish(a, 2);
      await settled(a);
      expect(received).toEqual(["one 1"]);
    });

    test("two subscriptions of one listener are independent", async () => {
      const received: unknown[] = [];
      const listener: Listener = (message) => received.push(message);
      const leave = await here.subscribe(a, listener);
      await here.subscribe(a, listener);
      leave();
      leave();
      await here.publish(a, 1);
      await settled(a);
      expect(received).toEqual([1, "settled"]);
    });

    test("a topic can be subscribed to again after its last listener has left", async () => {
      const received: unknown[] = [];
      const leave = await here.subscribe(a, (message) => received.push(message));
      leave();
      const again = here.subscribe(a, (message) => received.push(message));
      leave();
      await again;
      await there.publish(a, 1);
      await until(() => received.length === 1, "the message");
    });

    test("many concurrent subscriptions and unsubscriptions leave exactly the remaining listeners", async () => {
      let received = 0;
      await Promise.all(
        Array.from({ length: 500 }, async (_, i) => {
          const leave = await here.subscribe(`crowd ${i % 7}`, () => received++);
          if (i >= 7) leave();
        }),
      );
      await Promise.all(Array.from({ length: 7 }, (_, i) => there.publish(`crowd ${i}`, i)));
      await until(() => received === 7, "one message for each remaining listener");
    });

    test("no listener is called after close", async () => {
      let received = 0;
      const leave = await here.subscribe(a, () => received++);
      await here.close();
      leave();
      await here.close();
      if (there !== here) await there.publish(a, 1);
      expect(received).toBe(0);
    });
  });
}
