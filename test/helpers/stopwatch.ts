/**
 * Measures guaranteed durations on a machine that may be busy.
 *
 * Subtracts the time in which the processes involved were ready to run but had no processor; the kernel counts
 * it per process (run delay). Their own computing and waiting still count: a server that is slow, blocked or
 * stuck exceeds its bound.
 */
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

/**
 * The largest share of a duration that counts as run delay: the delays of several processes overlap, and an
 * operation that takes ten times its bound is a fault on any machine.
 */
export const maxDelayShare = 0.9;

/**
 * Starts to measure.
 *
 * @param pids other processes that the measured operation waits for
 * @returns a function that returns the elapsed time less the run delay (ms)
 */
export function stopwatch(...pids: readonly number[]): () => number {
  const began = performance.now();
  const delay = startRunDelay([process.pid, ...pids]);
  return () => {
    const passed = performance.now() - began;
    return passed - Math.min(delay(), maxDelayShare * passed);
  };
}

/** @returns a function that returns how long these processes have waited for a processor since the call (ms) */
export function startRunDelay(pids: readonly number[]): () => number {
  if (runDelay(process.pid) === undefined) return loopDelay();
  const stolenBefore = stolen();
  const waits = pids.map((pid) => {
    const before = runDelay(pid);
    let latest = before;
    // A process that has exited keeps its last known value.
    return () => (latest = runDelay(pid) ?? latest ?? 0) - (before ?? latest);
  });
  return () => waits.reduce((sum, wait) => sum + wait(), stolen() - stolenBefore);
}

/** How long the main thread of a process has waited for a processor (ms); undefined except on Linux. */
function runDelay(pid: number): number | undefined {
  const [, nanoseconds] = read(`/proc/${pid}/schedstat`)?.split(" ") ?? [];
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6;
}

/** Average time per processor in which a virtual machine's host ran something else (ms). */
function stolen(): number {
  const lines = read("/proc/stat")?.split("\n") ?? [];
  const processors = lines.filter((line) => /^cpu\d/.test(line)).length;
  // The eighth number, in hundredths of a second.
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

/** The longest delay of this process's event loop (ms), where the kernel reports no run delay. */
function loopDelay(): () => number {
  const histogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  return () => histogram.max / 1e6;
}
