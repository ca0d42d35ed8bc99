/** The stopwatch subtracts only the time in which processes wait for a processor. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { stopwatch } from "./stopwatch.ts";
import { dieWithTests } from "./watchdog.ts";

function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function compute(milliseconds: number): void {
  const end = cpuTime() + milliseconds;
  while (cpuTime() < end) for (let i = 0; i < 100_000; i += 1) Math.sqrt(i);
}

it("the stopwatch counts time in which a process waits or computes", async () => {
  const elapsed = stopwatch();
  await pause(300);
  // A timer may be a millisecond early.
  expect(elapsed()).toBeGreaterThan(250);
  const computed = stopwatch();
  compute(300);
  expect(computed()).toBeGreaterThan(250);
});

it.runIf(process.platform === "linux")(
  "the stopwatch subtracts time in which other processes occupy the processors",
  async () => {
    const competitors = Array.from({ length: 4 * availableParallelism() }, () =>
      spawn("sh", ["-c", "echo; while :; do :; done"], { stdio: ["ignore", "pipe", "ignore"] }),
    );
    for (const competitor of competitors) dieWithTests(competitor);
    try {
      await Promise.all(competitors.map((competitor) => once(competitor.stdout, "data")));
      const began = performance.now();
      const elapsed = stopwatch();
      compute(400);
      const counted = elapsed();
      const wall = performance.now() - began;
      expect(counted).toBeGreaterThan(350);
      expect(counted).toBeLessThan(0.8 * wall);
    } finally {
      for (const competitor of competitors) competitor.kill("SIGKILL");
    }
  },
);
