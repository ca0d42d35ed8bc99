/** An SSE client that queues the events it receives. */
import { Queue } from "./queue.ts";

export interface StreamEvent {
  readonly event: string;
  readonly data: any;
}

export class TestStream implements AsyncDisposable {
  readonly response: Response;
  readonly events = new Queue<StreamEvent>();
  /** Resolves when the server or `abort` has ended the stream. */
  readonly ended: Promise<void>;
  readonly #abort: AbortController;
  readonly #onEvent: (event: StreamEvent) => void;

  constructor(response: Response, abort: AbortController, onEvent?: (event: StreamEvent) => void) {
    this.response = response;
    this.#abort = abort;
    this.#onEvent = onEvent ?? ((event) => this.events.push(event));
    this.ended = this.#read();
  }

  abort(): void {
    this.#abort.abort();
  }

  async #read(): Promise<void> {
    let text = "";
    try {
      for await (const chunk of this.response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const blocks = (text + chunk).split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) this.#parse(block);
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }

  #parse(block: string): void {
    const field = (name: string) =>
      block
        .split("\n")
        .find((line) => line.startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim();
    const event = field("event");
    const data = field("data");
    // A block without an event name is a keep-alive comment.
    if (event !== undefined) this.#onEvent({ event, data: data ? JSON.parse(data) : undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.ended;
  }
}

export interface StreamOptions {
  readonly token?: string;
  readonly method?: "GET" | "POST";
  /** Also aborts the request before its response. */
  readonly abort?: AbortController;
  /** Receives the events, which are then not queued. */
  readonly onEvent?: (event: StreamEvent) => void;
}

/** Resolves with the response's headers, when the subscription is active. */
export async function openStream(
  url: string,
  query: string,
  { token, method = "POST", abort = new AbortController(), onEvent }: StreamOptions = {},
): Promise<TestStream> {
  const headers = {
    accept: "text/event-stream",
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const response =
    method === "GET"
      ? await fetch(`${url}?${new URLSearchParams({ query })}`, { headers, signal: abort.signal })
      : await fetch(url, {
          method,
          headers: { ...headers, "content-type": "application/json" },
          body: JSON.stringify({ query }),
          signal: abort.signal,
        });
  return new TestStream(response, abort, onEvent);
}
