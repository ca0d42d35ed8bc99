/** What every carrier of messages has to do. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Listener, PubSub } from "../session/pubsub.ts";
import { until } from "./until.ts";

export interface MadePubSub {
  /** Two nodes; one and the same where there can be only one. */
  readonly here: PubSub;
  readonly there: PubSub;
  /** What the nodes were told of as `onError`. */
  readonly errors: readonly unknown[];
  readonly dispose: () => Promise<void>;
}

export function pubSubContract(name: string, makeTopics: () => Promise<MadePubSub>): void {
  describe(`${name} as topics`, () => {
    let made: MadePubSub;
    let here: PubSub;
    let there: PubSub;

    /** Of each test its own: in a cluster, what the one before said may still be under way. */
    let a: string;
    let b: string;

    beforeEach(async () => {
      [a, b] = [randomUUID(), randomUUID()];
      made = await makeTopics();
      ({ here, there } = made);
    });
    afterEach(() => made.dispose());

    /** A message that everything said before has arrived ahead of. */
    async function settled(topic: string): Promise<void> {
      const heard: unknown[] = [];
      const leave = await here.subscribe(topic, (message) => heard.push(message));
      await there.publish(topic, "settled");
      await until(() => heard.includes("settled"), "the last message");
      leave();
    }

    test("reaches every listener of the topic on every node, and no other", async () => {
      const heard: string[] = [];
      await here.subscribe(a, (message) => heard.push(`here ${String(message)}`));
      await here.subscribe(a, (message) => heard.push(`too ${String(message)}`));
      await there.subscribe(a, (message) => heard.push(`there ${String(message)}`));
      await here.subscribe(b, (message) => heard.push(`b ${String(message)}`));
      await there.publish(a, 1);
      await until(() => heard.length >= 3, "three deliveries");
      await settled(a);
      expect(heard.filter((text) => text.endsWith("1")).toSorted()).toEqual([
        "here 1",
        "there 1",
        "too 1",
      ]);
      expect(heard.some((text) => text.startsWith(b))).toBe(false);
    });

    test("carries messages in order, as JSON and not as the sender's objects", async () => {
      const heard: unknown[] = [];
      await here.subscribe(a, (message) => heard.push(message));
      const sent = { text: "\u{1F512}", list: [1, null], gone: undefined };
      const first = there.publish(a, sent);
      sent.text = "changed";
      await first;
      await there.publish(a, 2);
      await until(() => heard.length === 2, "both messages");
      expect(heard).toStrictEqual([{ text: "\u{1F512}", list: [1, null] }, 2]);
    });

    test("calls no listener before publish returns", async () => {
      let heard = false;
      await here.subscribe(a, () => (heard = true));
      const published = here.publish(a, 1);
      expect(heard).toBe(false);
      await published;
      await until(() => heard, "the delivery");
    });

    test("lets a listener throw, and tells of it, without harm to the others", async () => {
      let heard = 0;
      const fault = new Error("A listener's");
      await here.subscribe(a, () => {
        throw fault;
      });
      await here.subscribe(a, () => heard++);
      await here.publish(a, 1);
      await here.publish(a, 2);
      await until(() => heard === 2, "the other listener");
      expect(made.errors).toEqual([fault, fault]);
    });

    test("lets a listener leave and make others leave, at once", async () => {
      const heard: string[] = [];
      const leave: (() => void)[] = [];
      for (const who of ["one", "two", "three"]) {
        const listener: Listener = (message) => {
          heard.push(`${who} ${String(message)}`);
          for (const each of leave) each();
        };
        leave.push(await here.subscribe(a, listener));
      }
      await here.publish(a, 1);
      await until(() => heard.length > 0, "the first listener");
      await here.publish(a, 2);
      await settled(a);
      expect(heard).toEqual(["one 1"]);
    });

    test("keeps two subscriptions of one listener apart", async () => {
      const heard: unknown[] = [];
      const listener: Listener = (message) => heard.push(message);
      const leave = await here.subscribe(a, listener);
      await here.subscribe(a, listener);
      leave();
      leave();
      await here.publish(a, 1);
      await settled(a);
      expect(heard).toEqual([1, "settled"]);
    });

    test("is heard again by who comes after the last has left", async () => {
      const heard: unknown[] = [];
      const leave = await here.subscribe(a, (message) => heard.push(message));
      leave();
      const again = here.subscribe(a, (message) => heard.push(message));
      leave();
      await again;
      await there.publish(a, 1);
      await until(() => heard.length === 1, "the message");
    });

    test("survives a crowd that comes and goes", async () => {
      let heard = 0;
      await Promise.all(
        Array.from({ length: 500 }, async (_, i) => {
          const leave = await here.subscribe(`crowd ${i % 7}`, () => heard++);
          if (i >= 7) leave();
        }),
      );
      await Promise.all(Array.from({ length: 7 }, (_, i) => there.publish(`crowd ${i}`, i)));
      await until(() => heard === 7, "one message for each who stayed");
    });

    test("says nothing more once closed", async () => {
      let heard = 0;
      const leave = await here.subscribe(a, () => heard++);
      await here.close();
      leave();
      await here.close();
      if (there !== here) await there.publish(a, 1);
      expect(heard).toBe(0);
    });
  });
}
