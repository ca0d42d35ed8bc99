/** Topics within one process: the contract, and what is left behind. */
import { expect, test } from "vitest";
import { MemoryTopics } from "../../src/stores/memory/pubsub.ts";
import { topicsContract } from "../../src/testing/pubsub.ts";

topicsContract("Memory", async () => {
  const errors: unknown[] = [];
  const topics = new MemoryTopics((error) => errors.push(error));
  return { here: topics, there: topics, errors, dispose: () => topics.close() };
});

test("a listener that leaves does not hear what was already said", async () => {
  const topics = new MemoryTopics(() => {});
  let heard = 0;
  const leave = await topics.subscribe("a", () => heard++);
  const published = topics.publish("a", 1);
  leave();
  await published;
  await new Promise(setImmediate);
  expect(heard).toBe(0);
});

test("a listener does not hear what was said before it came", async () => {
  const topics = new MemoryTopics(() => {});
  let heard = 0;
  await topics.subscribe("a", () => {});
  const published = topics.publish("a", 1);
  await topics.subscribe("a", () => heard++);
  await published;
  await new Promise(setImmediate);
  expect(heard).toBe(0);
});

test("a message that JSON cannot carry is the publisher's fault", async () => {
  const topics = new MemoryTopics(() => {});
  await topics.subscribe("a", () => {});
  await expect(topics.publish("a", 1n)).rejects.toThrow(TypeError);
});

test("tells of a gap that somebody else made, until the listener leaves", () => {
  const errors: unknown[] = [];
  const topics = new MemoryTopics((error) => errors.push(error));
  const heard: string[] = [];
  topics.onGap(() => {
    throw new Error("The listener's own");
  });
  const leave = topics.onGap(() => heard.push("gap"));
  topics.tellOfGap();
  leave();
  topics.tellOfGap();
  expect(heard).toEqual(["gap"]);
  expect(errors).toHaveLength(2);
});
