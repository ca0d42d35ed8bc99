/**
 * Measures durations that are promised, on a machine that may have other work to do.
 *
 * Subtracts the time in which the processes concerned were ready to run and the machine did not let them: the
 * kernel counts it for each (run delay). What they compute themselves, and what they wait for, stays in: a
 * server that is slow, blocked or stuck still exceeds its bound.
 */
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

/**
 * The most of a time that may count as withheld: processes wait at the same time too, and what takes ten times as
 * long as it may is a fault on any machine.
 */
export const mostWithheld = 0.9;

/**
 * Starts to measure.
 *
 * @param pids processes that what is measured waits for, beside this one
 * @returns a function that says how many milliseconds have passed, less those that the machine withheld
 */
export function stopwatch(...pids: readonly number[]): () => number {
  const began = performance.now();
  const withheld = startWithheld([process.pid, ...pids]);
  return () => {
    const passed = performance.now() - began;
    return passed - Math.min(withheld(), mostWithheld * passed);
  };
}

/** @returns a function that says for how many milliseconds since then these processes had to wait for a processor */
export function startWithheld(pids: readonly number[]): () => number {
  if (runDelay(process.pid) === undefined) return loopDelay();
  const stolenBefore = stolen();
  const waits = pids.map((pid) => {
    const before = runDelay(pid);
    let latest = before;
    // A process that has ended has waited as long as it was last seen to.
    return () => (latest = runDelay(pid) ?? latest ?? 0) - (before ?? latest);
  });
  return () => waits.reduce((sum, wait) => sum + wait(), stolen() - stolenBefore);
}

/** Milliseconds that the main thread of a process has waited for a processor, if the kernel says so (Linux). */
function runDelay(pid: number): number | undefined {
  const [, nanoseconds] = read(`/proc/${pid}/schedstat`)?.split(" ") ?? [];
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6;
}

/** Milliseconds for which the host of a virtual machine has run something else, for each of its processors. */
function stolen(): number {
  const lines = read("/proc/stat")?.split("\n") ?? [];
  const processors = lines.filter((line) => /^cpu\d/.test(line)).length;
  // In hundredths of a second, the eighth of all.
  const ticks = Number(lines[0]?.trim().split(/\s+/)[8] ?? 0);
  return (ticks * 10) / Math.max(processors, 1);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Where the kernel does not say it: the longest that this process's event loop was late. */
function loopDelay(): () => number {
  const histogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  return () => histogram.max / 1e6;
}
