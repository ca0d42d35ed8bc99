/** Kills child processes when the test process exits, however it exits. */
import { spawn, type ChildProcess } from "node:child_process";

/**
 * Starts a watchdog, which kills the child when the pipe from this process breaks.
 *
 * @param group whether the child leads a process group, which is then killed as a whole
 */
export function dieWithTests(child: ChildProcess, { group = false } = {}): void {
  const target = `${group ? "-" : ""}${child.pid}`;
  const watchdog = spawn("sh", ["-c", 'cat >/dev/null; kill -9 "$0"', target], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.once("exit", () => watchdog.kill("SIGKILL"));
}
