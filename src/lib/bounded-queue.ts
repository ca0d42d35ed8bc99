/** A bounded queue that is read by `for await`: from a listener's calls to a subscription's events. */

/** The reader was so slow that the queue filled up. What it held is dropped. */
export class StreamOverflow extends Error {
  override readonly name = "StreamOverflow";
}

const defaultCapacity = 1_000;

/** A bound on what the waiting values keep, besides their number. */
export interface StreamBytes<T> {
  readonly most: number;
  /** Asked of a value that has to wait. */
  readonly of: (value: T) => number;
}

/**
 * Unlike an async generator it can be ended while a read of it is waiting, and unlike a bare queue it
 * never grows past its capacity: the read after an overflow rejects with {@link StreamOverflow}.
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

  /** @param onClose called once, when the reader leaves, the source ends it, or it overflows. */
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

  /** Whether a read waits for the next value. */
  get isWaiting(): boolean {
    return this.#readers.length > 0;
  }

  /** Ends it at once: the next read rejects with that error, and queued values are dropped. */
  fail(error: Error): void {
    if (this.#closed) return;
    this.#queue = [];
    const reader = this.#readers.shift();
    if (reader === undefined) this.#failure = error;
    else reader.reject(error);
    this.close();
  }

  /** No more will come; what is queued can still be read. */
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
