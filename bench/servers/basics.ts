/** Orders that every measured process executes. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";

const delays = monitorEventLoopDelay({ resolution: 1 });

export const basics = {
  /** User and system CPU time of the process (microseconds). */
  cpu(): number {
    const { userCPUTime, systemCPUTime } = process.resourceUsage();
    return userCPUTime + systemCPUTime;
  },

  /** Resident bytes after a garbage collection; needs `--expose-gc`. */
  async memory(): Promise<number> {
    if (globalThis.gc === undefined) throw new Error("Memory is measured with --expose-gc.");
    for (let i = 0; i < 4; i += 1) {
      globalThis.gc();
      await pause(50);
    }
    return process.memoryUsage.rss();
  },

  /** Starts measuring the delay of the event loop. */
  watchDelays(): void {
    delays.enable();
    delays.reset();
  },

  /** The longest delay of the event loop since `watchDelays` (ms). */
  longestDelay(): number {
    delays.disable();
    return delays.max / 1e6;
  },
};
