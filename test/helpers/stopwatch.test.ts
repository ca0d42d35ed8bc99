/** Time that the machine withholds is told from time that something takes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { stopwatch } from "./stopwatch.ts";
import { dieWithTests } from "./watchdog.ts";

function used(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function compute(milliseconds: number): void {
  const end = used() + milliseconds;
  while (used() < end) for (let i = 0; i < 100_000; i += 1) Math.sqrt(i);
}

it("a process that waits, or computes, is not excused", async () => {
  const elapsed = stopwatch();
  await pause(300);
  // A timer may be a millisecond early.
  expect(elapsed()).toBeGreaterThan(250);
  const computed = stopwatch();
  compute(300);
  expect(computed()).toBeGreaterThan(250);
});

it.runIf(process.platform === "linux")(
  "the time in which other work has the processors is not counted",
  async () => {
    const rivals = Array.from({ length: 4 * availableParallelism() }, () =>
      spawn("sh", ["-c", "echo; while :; do :; done"], { stdio: ["ignore", "pipe", "ignore"] }),
    );
    for (const rival of rivals) dieWithTests(rival);
    try {
      await Promise.all(rivals.map((rival) => once(rival.stdout, "data")));
      const began = performance.now();
      const elapsed = stopwatch();
      compute(400);
      const counted = elapsed();
      const wall = performance.now() - began;
      expect(counted).toBeGreaterThan(350);
      expect(counted).toBeLessThan(0.8 * wall);
    } finally {
      for (const rival of rivals) rival.kill("SIGKILL");
    }
  },
);
