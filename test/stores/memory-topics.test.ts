/** The pub/sub in memory: the contract and its own behaviour. */
import { expect, test } from "vitest";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { pubSubContract } from "../../src/testing/pubsub.ts";

pubSubContract("Memory", async () => {
  const errors: unknown[] = [];
  const pubsub = new MemoryPubSub((error) => errors.push(error));
  return { here: pubsub, there: pubsub, errors, dispose: () => pubsub.close() };
});

test("a listener that leaves does not get messages published before", async () => {
  const pubsub = new MemoryPubSub(() => {});
  let heard = 0;
  const leave = await pubsub.subscribe("a", () => heard++);
  const published = pubsub.publish("a", 1);
  leave();
  await published;
  await new Promise(setImmediate);
  expect(heard).toBe(0);
});

test("a listener does not get messages published before its subscription", async () => {
  const pubsub = new MemoryPubSub(() => {});
  let heard = 0;
  await pubsub.subscribe("a", () => {});
  const published = pubsub.publish("a", 1);
  await pubsub.subscribe("a", () => heard++);
  await published;
  await new Promise(setImmediate);
  expect(heard).toBe(0);
});

test("publish rejects a message that JSON cannot represent", async () => {
  const pubsub = new MemoryPubSub(() => {});
  await pubsub.subscribe("a", () => {});
  await expect(pubsub.publish("a", 1n)).rejects.toThrow(TypeError);
});

test("missed messages of another process are reported until the listener leaves", () => {
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
