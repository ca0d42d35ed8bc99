/** Writes the log's lines without ever waiting for their reader: a reader that stalls costs lines, not the server. */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";

export interface LogOutputOptions {
  /** Characters that may wait for the reader. Lines beyond them are dropped until half of it is free again. */
  readonly maxWaiting: number;
  /** Called with how many lines were dropped, as soon as there is room for a line that says so. */
  readonly onLost: (lines: number) => void;
}

/** Milliseconds between attempts while the reader takes nothing. */
const retryInterval = 20;
/** Milliseconds between attempts while the disk takes nothing. */
const diskRetryInterval = 500;
/** Characters that are written at once where lines had to wait. */
const maxChunk = 16_384;
/** The reader may take more, or the disk may have room, in a while. With any other error what waits is lost. */
const passing = new Set(["EAGAIN", "EINTR", "ENOSPC", "EDQUOT"]);

/**
 * Writes at once where it can, so that no line is lost in a crash while the reader keeps up. What a pipe, a
 * socket or a terminal does not take waits in memory; what a file does not take since the disk is full, too.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #options: LogOutputOptions;
  /** The rest of what was written in part. */
  #begun: Buffer | undefined;
  readonly #waiting: string[] = [];
  /** Characters in `#waiting`. */
  #length = 0;
  #timer: NodeJS.Timeout | undefined;
  #isDropping = false;
  #unreported = 0;
  #lost = 0;

  /** @param fd should not block; see `nonBlocking` */
  constructor(fd: number, options: LogOutputOptions) {
    this.#fd = fd;
    this.#options = options;
  }

  /** How many lines were dropped. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes a line, with its newline. Never throws. */
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

  /** Writes what waits, for at most that many milliseconds, during which nothing else runs: for the exit. */
  flush(time: number): void {
    const deadline = performance.now() + time;
    const bell = new Int32Array(new SharedArrayBuffer(4));
    for (;;) {
      this.#write();
      if (!this.#isWaiting || performance.now() >= deadline) break;
      Atomics.wait(bell, 0, 0, retryInterval);
    }
    clearTimeout(this.#timer);
  }

  get #isWaiting(): boolean {
    return this.#begun !== undefined || this.#waiting.length > 0;
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
      if (!passing.has(code)) return this.#loseAll();
      // The line that reports a loss may have set one.
      clearTimeout(this.#timer);
      const interval = code === "EAGAIN" || code === "EINTR" ? retryInterval : diskRetryInterval;
      this.#timer = setTimeout(() => this.#write(), interval).unref();
    }
  }

  #writeNext(): void {
    const next = this.#begun ?? Buffer.from(this.#waiting[0] ?? "");
    const written = writeSync(this.#fd, next);
    if (this.#begun === undefined) this.#length -= this.#waiting.shift()?.length ?? 0;
    this.#begun = written < next.length ? next.subarray(written) : undefined;
  }

  #report(): void {
    if (this.#unreported === 0 || this.#length > this.#options.maxWaiting / 2) return;
    const lines = this.#unreported;
    this.#unreported = 0;
    this.#isDropping = false;
    this.#options.onLost(lines);
  }

  #loseAll(): void {
    const rest = this.#begun === undefined ? 0 : linesIn(this.#begun.toString());
    this.#lose(rest + this.#waiting.reduce((sum, chunk) => sum + linesIn(chunk), 0));
    this.#begun = undefined;
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
 * A descriptor for what stands behind this one, on which a write that cannot be done at once fails with EAGAIN
 * instead of blocking the process. A file is given back as it is: writing to it waits for no reader.
 */
export function nonBlocking(fd: 1 | 2): number {
  try {
    if (fstatSync(fd).isFile()) return fd;
    // A description of its own: other processes that share the pipe keep theirs as it is.
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    const own = openSync(`/proc/self/fd/${fd}`, flags);
    if (isSame(own, fd)) return own;
    closeSync(own);
  } catch {
    // A socket, or not Linux.
  }
  // Node's own stream makes pipes and sockets non-blocking, which nothing else in Node does.
  return fd === 1 ? process.stdout.fd : process.stderr.fd;
}

function isSame(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one), fstatSync(other)];
  return a.dev === b.dev && a.ino === b.ino;
}
