/** Topics within one process: the contract, and what is left behind. */
import { expect, test } from "vitest";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { pubSubContract } from "../../src/testing/pubsub.ts";

pubSubContract("Memory", async () => {
  const errors: unknown[] = [];
  const pubsub = new MemoryPubSub((error) => errors.push(error));
  return { here: pubsub, there: pubsub, errors, dispose: () => pubsub.close() };
});

test("a listener that leaves does not hear what was already said", async () => {
  const pubsub = new MemoryPubSub(() => {});
  let heard = 0;
  const leave = await pubsub.subscribe("a", () => heard++);
  const published = pubsub.publish("a", 1);
  leave();
  await published;
  await new Promise(setImmediate);
  expect(heard).toBe(0);
});

test("a listener does not hear what was said before it came", async () => {
  const pubsub = new MemoryPubSub(() => {});
  let heard = 0;
  await pubsub.subscribe("a", () => {});
  const published = pubsub.publish("a", 1);
  await pubsub.subscribe("a", () => heard++);
  await published;
  await new Promise(setImmediate);
  expect(heard).toBe(0);
});

test("a message that JSON cannot carry is the publisher's fault", async () => {
  const pubsub = new MemoryPubSub(() => {});
  await pubsub.subscribe("a", () => {});
  await expect(pubsub.publish("a", 1n)).rejects.toThrow(TypeError);
});

test("tells of a gap that somebody else made, until the listener leaves", () => {
  const errors: unknown[] = [];
  const pubsub = new MemoryPubSub((error) => errors.push(error));
  const heard: string[] = [];
  pubsub.onMessagesMissed(() => {
    throw new Error("The listener's own");
  });
  const leave = pubsub.onMessagesMissed(() => heard.push("gap"));
  pubsub.reportMissedMessages();
  leave();
  pubsub.reportMissedMessages();
  expect(heard).toEqual(["gap"]);
  expect(errors).toHaveLength(2);
});
