/** Generates load on sockets: opens them, and sends operations over all that are open. */
import { setTimeout as pause } from "node:timers/promises";
import { machineTime } from "../harness/clock.ts";
import { HttpConnection, requestFor } from "./http-connection.ts";
import { RawSocket, textFrame } from "./raw-socket.ts";

let open: RawSocket[] = [];

export interface Connecting {
  readonly url: string;
  /** One token for each socket. */
  readonly tokens: readonly string[];
}

const connectingAtOnce = 64;

/** Resolves to the seconds until all sockets are acknowledged. */
export async function connectAll({ url, tokens }: Connecting): Promise<number> {
  const began = performance.now();
  await inParallel(tokens, connectingAtOnce, async (token) => {
    open.push(await RawSocket.open(url, token));
  });
  return (performance.now() - began) / 1_000;
}

export async function terminateAll(): Promise<void> {
  const gone = open.map(({ closed }) => closed);
  for (const socket of open) socket.terminate();
  open = [];
  await Promise.all(gone);
}

export interface Subscribing {
  readonly query: string;
  /** The expected first event of each subscription. */
  readonly first: string;
}

/** Starts one subscription on every socket. */
export async function subscribeAll({ query, first }: Subscribing): Promise<void> {
  const subscribe = textFrame({ id: "1", type: "subscribe", payload: { query } });
  await inParallel(open, 256, async (socket) => {
    const message = socket.message();
    socket.send(subscribe);
    await expectMessage(message, first);
  });
}

export interface Operations {
  readonly query: string;
  readonly answer: string;
  readonly count: number;
  readonly inFlight: number;
}

/** Sends queries over the open sockets in rotation. Resolves to the duration in seconds. */
export async function operate(load: Operations): Promise<number> {
  const { query, answer, count, inFlight } = load;
  let [sent, done] = [0, 0];
  const finished = Promise.withResolvers<number>();
  const began = performance.now();
  const ask = () => {
    const socket = open[sent % open.length];
    sent += 1;
    socket?.send(textFrame({ id: String(sent), type: "subscribe", payload: { query } }));
  };
  for (const socket of open)
    socket.onMessage((text) => {
      if (text.includes('"type":"complete"')) {
        done += 1;
        if (sent < count) ask();
        else if (done === count) finished.resolve((performance.now() - began) / 1_000);
      } else if (!text.includes(answer)) finished.reject(new Error(`Not ${answer}, but ${text}`));
    });
  for (let i = 0; i < Math.min(inFlight, count); i += 1) ask();
  return finished.promise;
}

export interface Event {
  /** The exact text of the expected message. */
  readonly message: string;
}

/** Resolves to the `machineTime` when the last open socket received this message. */
export async function allReceived({ message }: Event): Promise<number> {
  let missing = open.length;
  const received = Promise.withResolvers<number>();
  for (const socket of open)
    socket.onMessage((text) => {
      if (text !== message) received.reject(new Error(`Not ${message}, but ${text}`));
      missing -= 1;
      if (missing === 0) received.resolve(machineTime());
    });
  return received.promise;
}

export interface Closing {
  readonly code: number;
}

/** Resolves to the `machineTime` when the last open socket was closed with this code. */
export async function allClosed({ code }: Closing): Promise<number> {
  const closes = await Promise.all(open.map(({ closed }) => closed));
  open = [];
  const other = closes.find((close) => close.code !== code);
  if (other) throw new Error(`Closed with ${other.code}, not with ${code}`);
  return Math.max(...closes.map(({ at }) => at));
}

export interface Logouts {
  /** The URL of the node that receives the logout. */
  readonly url: string;
  /** The URL of another node, which has the sockets. */
  readonly socketUrl: string;
  /** Tokens of sessions, which are logged out one after the other. */
  readonly tokens: readonly string[];
  /** The number of sockets of each session. */
  readonly sockets: number;
}

export interface Logout {
  /** Milliseconds to the last close: from the request, and from its response; the latter is negative if the response arrived later. */
  readonly fromRequest: number;
  readonly fromAnswer: number;
}

export async function logouts(load: Logouts): Promise<Logout[]> {
  const connection = await HttpConnection.open(load.url);
  const results: Logout[] = [];
  for (const token of load.tokens) {
    const tokens = Array.from({ length: load.sockets }, () => token);
    await connectAll({ url: load.socketUrl, tokens });
    await pause(load.sockets > 100 ? 300 : 2);
    const request = requestFor(load.url, token, { query: "mutation { logout { endedSessions } }" });
    const closed = allClosed({ code: 4401 });
    const asked = machineTime();
    const answer = await connection.ask(request);
    const answered = machineTime();
    if (answer.trim() !== '{"data":{"logout":{"endedSessions":1}}}') throw new Error(answer);
    const last = await closed;
    results.push({ fromRequest: last - asked, fromAnswer: last - answered });
  }
  connection.close();
  return results;
}

async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const work = async () => {
    for (const item of left) await act(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
}

async function expectMessage(message: Promise<string>, part: string): Promise<void> {
  const text = await message;
  if (!text.includes(part)) throw new Error(`Not ${part}, but ${text}`);
}
