/** What every process under measure can be asked. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";

const delays = monitorEventLoopDelay({ resolution: 1 });

export const basics = {
  /** Microseconds of CPU, of user and system, that the process has taken. */
  cpu(): number {
    const { userCPUTime, systemCPUTime } = process.resourceUsage();
    return userCPUTime + systemCPUTime;
  },

  /** Resident bytes, after all garbage was collected; needs `--expose-gc`. */
  async memory(): Promise<number> {
    if (globalThis.gc === undefined) throw new Error("Memory is measured with --expose-gc.");
    for (let i = 0; i < 4; i += 1) {
      globalThis.gc();
      await pause(50);
    }
    return process.memoryUsage.rss();
  },

  /** From now on. */
  watchDelays(): void {
    delays.enable();
    delays.reset();
  },

  /** The longest time in which the event loop did nothing else, in milliseconds, since they are watched. */
  longestDelay(): number {
    delays.disable();
    return delays.max / 1e6;
  },
};
