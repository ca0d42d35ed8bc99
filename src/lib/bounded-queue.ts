/** A bounded queue that `for await` reads: it turns a listener's calls into a subscription's events. */

/** Thrown to a reader that was too slow: the queue was full, and its values are dropped. */
export class StreamOverflow extends Error {
  override readonly name = "StreamOverflow";
}

const defaultCapacity = 1_000;

/** A limit on the memory of the queued values, besides the limit on their number. */
export interface StreamBytes<T> {
  readonly most: number;
  /** The size of a value in bytes. Called only for values that are queued. */
  readonly of: (value: T) => number;
}

/**
 * An async iterator with a bounded buffer. Unlike an async generator, it can be closed while a read is
 * pending. The read after an overflow rejects with {@link StreamOverflow}.
 */
export class Stream<T> implements AsyncIterableIterator<T, undefined> {
  readonly #capacity: number;
  readonly #onClose: () => void;
  readonly #bytes: StreamBytes<T> | undefined;
  #queue: { readonly value: T; readonly bytes: number }[] = [];
  #queuedBytes = 0;
  #readers: PromiseWithResolvers<IteratorResult<T, undefined>>[] = [];
  #closed = false;
  #failure: Error | undefined;

  /**
   * @param onClose called once, when the reader returns, the source closes the queue, or it overflows
   * @param capacity values that may be queued. Default: 1000
   */
  constructor(onClose: () => void, capacity: number = defaultCapacity, bytes?: StreamBytes<T>) {
    this.#bytes = bytes;
    this.#onClose = onClose;
    this.#capacity = capacity;
  }

  push(value: T): void {
    if (this.#closed) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.resolve({ done: false, value });
    else this.#enqueue(value);
  }

  #enqueue(value: T): void {
    const bytes = this.#bytes?.of(value) ?? 0;
    this.#queuedBytes += bytes;
    if (this.#queue.length >= this.#capacity)
      this.#overflow(`More than ${this.#capacity} events are waiting to be read.`);
    else if (this.#bytes !== undefined && this.#queuedBytes > this.#bytes.most)
      this.#overflow(`More than ${this.#bytes.most} bytes of events are waiting to be read.`);
    else this.#queue.push({ value, bytes });
  }

  /** Whether a read is pending. */
  get isWaiting(): boolean {
    return this.#readers.length > 0;
  }

  /** Closes the queue and drops its values: the next read rejects with the error. */
  fail(error: Error): void {
    if (this.#closed) return;
    this.#queue = [];
    const reader = this.#readers.shift();
    if (reader === undefined) this.#failure = error;
    else reader.reject(error);
    this.close();
  }

  /** Accepts no more values; queued ones can still be read. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const reader of this.#readers.splice(0)) reader.resolve({ done: true, value: undefined });
    this.#onClose();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const queued = this.#queue.shift();
    if (queued !== undefined) {
      this.#queuedBytes -= queued.bytes;
      return Promise.resolve({ done: false, value: queued.value });
    }
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    const reader = Promise.withResolvers<IteratorResult<T, undefined>>();
    this.#readers.push(reader);
    return reader.promise;
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#queue = [];
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    void this.return();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #overflow(message: string): void {
    this.fail(new StreamOverflow(message));
  }
}
