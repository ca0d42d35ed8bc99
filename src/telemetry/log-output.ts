/** Writes log lines without blocking on their reader. A reader that stalls costs log lines, not the server. */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";

export interface LogOutputOptions {
  /** Characters that may wait for the reader. Further lines are dropped until half of this is free again. */
  readonly maxWaiting: number;
  /** Called with the number of dropped lines, as soon as there is room for a line that reports it. */
  readonly onLost: (lines: number) => void;
}

/** Time between attempts while the reader accepts nothing (ms). */
const retryInterval = 20;
/** Time between attempts while the disk accepts nothing (ms). */
const diskRetryInterval = 500;
/** Characters of waiting lines that one write takes. */
const maxChunk = 16_384;
/** The reader or the disk may accept more later. After any other error the waiting lines are lost. */
const transientErrors = new Set(["EAGAIN", "EINTR", "ENOSPC", "EDQUOT"]);

/**
 * Writes synchronously, so that a crash loses no line while the reader keeps up. Lines that a pipe, a socket or a
 * terminal does not accept wait in memory, and so do lines for a file on a full disk.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #options: LogOutputOptions;
  /** The rest of a chunk that was written in part. */
  #partial: Buffer | undefined;
  readonly #waiting: string[] = [];
  /** Characters in `#waiting`. */
  #length = 0;
  #timer: NodeJS.Timeout | undefined;
  #isDropping = false;
  #unreported = 0;
  #lost = 0;

  /** @param fd a descriptor that does not block; see `nonBlocking` */
  constructor(fd: number, options: LogOutputOptions) {
    this.#fd = fd;
    this.#options = options;
  }

  /** The number of lines dropped so far. */
  get lost(): number {
    return this.#lost;
  }

  /** Writes a line, which ends with a newline. Never throws. */
  write(line: string): void {
    if (this.#isDropping || this.#length + line.length > this.#options.maxWaiting) {
      this.#isDropping = true;
      this.#lose(1);
      return;
    }
    const last = this.#waiting.length - 1;
    const chunk = this.#waiting[last];
    if (chunk !== undefined && chunk.length + line.length <= maxChunk)
      this.#waiting[last] = chunk + line;
    else this.#waiting.push(line);
    this.#length += line.length;
    if (this.#timer === undefined) this.#write();
  }

  /**
   * Writes the waiting lines before the process exits. Blocks the thread.
   *
   * @param timeout milliseconds
   */
  flush(timeout: number): void {
    const deadline = performance.now() + timeout;
    const never = new Int32Array(new SharedArrayBuffer(4));
    for (;;) {
      this.#write();
      if (!this.#isWaiting || performance.now() >= deadline) break;
      Atomics.wait(never, 0, 0, retryInterval);
    }
    clearTimeout(this.#timer);
  }

  get #isWaiting(): boolean {
    return this.#partial !== undefined || this.#waiting.length > 0;
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      while (this.#isWaiting) {
        this.#writeNext();
        this.#report();
      }
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!transientErrors.has(code)) return this.#loseAll();
      // Writing the line that reports a loss may have set a timer.
      clearTimeout(this.#timer);
      const interval = code === "EAGAIN" || code === "EINTR" ? retryInterval : diskRetryInterval;
      this.#timer = setTimeout(() => this.#write(), interval).unref();
    }
  }

  #writeNext(): void {
    const next = this.#partial ?? Buffer.from(this.#waiting[0] ?? "");
    const written = writeSync(this.#fd, next);
    if (this.#partial === undefined) this.#length -= this.#waiting.shift()?.length ?? 0;
    this.#partial = written < next.length ? next.subarray(written) : undefined;
  }

  #report(): void {
    if (this.#unreported === 0 || this.#length > this.#options.maxWaiting / 2) return;
    const lines = this.#unreported;
    this.#unreported = 0;
    this.#isDropping = false;
    this.#options.onLost(lines);
  }

  #loseAll(): void {
    const rest = this.#partial === undefined ? 0 : linesIn(this.#partial.toString());
    this.#lose(rest + this.#waiting.reduce((sum, chunk) => sum + linesIn(chunk), 0));
    this.#partial = undefined;
    this.#waiting.length = 0;
    this.#length = 0;
    this.#isDropping = false;
  }

  #lose(lines: number): void {
    this.#lost += lines;
    this.#unreported += lines;
  }
}

function linesIn(text: string): number {
  return text.split("\n").length - 1;
}

/**
 * Opens the same pipe, terminal or socket without blocking: a write that cannot be done at once fails with EAGAIN.
 * Returns a file's descriptor unchanged, because writing to a file waits for no reader.
 */
export function nonBlocking(fd: 1 | 2): number {
  try {
    if (fstatSync(fd).isFile()) return fd;
    // A new open file description: processes that share the pipe keep their blocking mode.
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    const own = openSync(`/proc/self/fd/${fd}`, flags);
    if (isSameFile(own, fd)) return own;
    closeSync(own);
  } catch {
    // Sockets, and systems without /proc.
  }
  // Creating Node's own stream makes a pipe or socket non-blocking. Node has no other API for that.
  return fd === 1 ? process.stdout.fd : process.stderr.fd;
}

function isSameFile(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one), fstatSync(other)];
  return a.dev === b.dev && a.ino === b.ino;
}
