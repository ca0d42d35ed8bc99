import { expect, test } from "vitest";
import { RetryQueue, type RetryQueueOptions, type Task } from "../../src/lib/retry-queue.ts";
import { logContext, withLogContext } from "../../src/lib/log-context.ts";

/** A queue whose pauses the test ends. */
function open(options: Partial<RetryQueueOptions> = {}) {
  const pauses: { readonly milliseconds: number; readonly end: () => void }[] = [];
  const outages: unknown[] = [];
  const queue = new RetryQueue({
    atOnce: 2,
    firstPause: 250,
    longestPause: 5_000,
    wait: (milliseconds, end) => void pauses.push({ milliseconds, end }),
    random: () => 1,
    onOutage: (error) => outages.push(error),
    ...options,
  });
  const endPauses = async () => {
    const ended = pauses.splice(0);
    for (const { end } of ended) end();
    await settled();
    return ended.map(({ milliseconds }) => milliseconds);
  };
  return { queue, outages, endPauses };
}

/** Resolves after everything that needs no event of the test has happened. */
async function settled() {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
}

/** A task that counts its runs and fails while `fails` is set. */
function counted(fails = false) {
  const state = { fails, runs: 0, error: new Error("Down for a test") };
  const task: Task = async () => {
    state.runs += 1;
    if (state.fails) throw state.error;
  };
  return Object.assign(state, { task });
}

test("each task runs once, and at most `atOnce` run at once", async () => {
  const { queue } = open({ atOnce: 16 });
  const load = { now: 0, most: 0, done: 0 };
  for (let i = 0; i < 1_000; i += 1)
    queue.add(async () => {
      load.most = Math.max(load.most, (load.now += 1));
      await new Promise(setImmediate);
      load.now -= 1;
      load.done += 1;
    });
  while (load.done < 1_000) await new Promise(setImmediate);
  expect(load).toEqual({ now: 0, most: 16, done: 1_000 });
});

test("a task that is added several times waits once", async () => {
  const { queue } = open({ atOnce: 1 });
  const gate = Promise.withResolvers<void>();
  const one = counted();
  queue.add(() => gate.promise);
  for (let i = 0; i < 5; i += 1) queue.add(one.task);
  gate.resolve();
  await settled();
  expect(one.runs).toBe(1);
});

test("a task that is added while it runs runs once more afterwards", async () => {
  const { queue } = open();
  const gate = Promise.withResolvers<void>();
  let [runs, atOnce] = [0, 0];
  const task = async () => {
    runs += 1;
    atOnce = Math.max(atOnce, runs);
    await gate.promise;
  };
  for (let i = 0; i < 5; i += 1) queue.add(task);
  await settled();
  expect(atOnce).toBe(1);
  gate.resolve();
  await settled();
  expect(runs).toBe(2);
});

test("a task that fails runs again with growing pauses until it succeeds", async () => {
  const { queue, endPauses } = open();
  const one = counted(true);
  queue.add(one.task);
  await settled();
  const pauses: number[] = [];
  for (let i = 0; i < 7; i += 1) pauses.push(...(await endPauses()));
  expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  one.fails = false;
  await endPauses();
  expect(one.runs).toBe(9);
  expect(await endPauses()).toEqual([]);
  expect(one.runs).toBe(9);
});

test("the random part of a pause is half of it", async () => {
  const { queue, endPauses } = open({ random: () => 0 });
  queue.add(counted(true).task);
  await settled();
  expect(await endPauses()).toEqual([125]);
});

test("a task that is added during its pause does not run earlier or twice", async () => {
  const { queue, endPauses } = open();
  const one = counted(true);
  queue.add(one.task);
  await settled();
  queue.add(one.task);
  await settled();
  expect(one.runs).toBe(1);
  one.fails = false;
  await endPauses();
  expect(one.runs).toBe(2);
});

test("during an outage the tries of a thousand tasks are as many as `atOnce` for each pause", async () => {
  const { queue, endPauses } = open({ atOnce: 16 });
  const tasks = Array.from({ length: 1_000 }, () => counted(true));
  for (const { task } of tasks) queue.add(task);
  await settled();
  const runs = () => tasks.reduce((sum, one) => sum + one.runs, 0);
  expect(runs()).toBe(16);
  expect(await endPauses()).toHaveLength(16);
  expect(runs()).toBe(32);
  for (const one of tasks) one.fails = false;
  await endPauses();
  while (tasks.some((one) => one.runs === 0)) await settled();
  await endPauses();
  expect(tasks.filter((one) => one.runs > 2)).toEqual([]);
});

test("tasks that keep failing do not keep others waiting", async () => {
  const { queue, endPauses } = open();
  const failing = [counted(true), counted(true)];
  for (const { task } of failing) queue.add(task);
  await settled();
  const others = Array.from({ length: 10 }, () => counted());
  for (const { task } of others) queue.add(task);
  await endPauses();
  expect(others.map(({ runs }) => runs)).toEqual(others.map(() => 1));
});

test("an outage is reported once, and the next one again", async () => {
  const { queue, outages, endPauses } = open();
  const tasks = Array.from({ length: 10 }, () => counted(true));
  for (const { task } of tasks) queue.add(task);
  for (let i = 0; i < 10; i += 1) await endPauses();
  expect(outages).toEqual([tasks[0]?.error]);
  for (const one of tasks) one.fails = false;
  for (let i = 0; i < 10; i += 1) await endPauses();
  const [first] = tasks as [ReturnType<typeof counted>];
  first.fails = true;
  queue.add(first.task);
  await settled();
  expect(outages).toEqual([first.error, first.error]);
});

test("a removed task does not run again, and its failure is not reported", async () => {
  const { queue, outages, endPauses } = open();
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const running = async () => {
    runs += 1;
    await gate.promise;
    throw new Error("Too late");
  };
  const paused = counted(true);
  queue.add(running);
  queue.add(paused.task);
  await settled();
  const waiting = counted();
  queue.add(waiting.task);
  for (const task of [running, paused.task, waiting.task]) queue.remove(task);
  gate.resolve();
  await settled();
  await endPauses();
  expect([runs, paused.runs, waiting.runs]).toEqual([1, 1, 0]);
  expect(outages).toEqual([paused.error]);
});

test("a closed queue runs nothing", async () => {
  const { queue, endPauses } = open();
  const one = counted(true);
  queue.add(one.task);
  await settled();
  queue.close();
  queue.add(counted().task);
  queue.add(one.task);
  await endPauses();
  expect(one.runs).toBe(1);
});

test("a task runs outside the log context of its caller", async () => {
  const { queue } = open();
  const contexts: unknown[] = [];
  withLogContext({ requestId: "one" }, () =>
    queue.add(async () => void contexts.push(logContext())),
  );
  await settled();
  expect(contexts).toEqual([undefined]);
});
