/** Sees to it that no process outlives the tests that started it, however they end. */
import { spawn, type ChildProcess } from "node:child_process";

/**
 * When this process is gone, the pipe to the watchdog breaks, and the child goes too.
 *
 * @param group whether the child leads a group of processes, which goes with it
 */
export function dieWithTests(child: ChildProcess, { group = false } = {}): void {
  const target = `${group ? "-" : ""}${child.pid}`;
  const watchdog = spawn("sh", ["-c", 'cat >/dev/null; kill -9 "$0"', target], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.once("exit", () => watchdog.kill("SIGKILL"));
}
