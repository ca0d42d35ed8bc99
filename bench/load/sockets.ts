/** Load on sockets: all that one generator holds open, and what it does with them. */
import { setTimeout as pause } from "node:timers/promises";
import { machineTime } from "../harness/clock.ts";
import { HttpConnection, requestFor } from "./http-connection.ts";
import { RawSocket, textFrame } from "./raw-socket.ts";

let open: RawSocket[] = [];

export interface Connecting {
  readonly url: string;
  /** One for each socket. */
  readonly tokens: readonly string[];
}

const connectingAtOnce = 64;

/** Resolves to the seconds until all were acknowledged. */
export async function connectAll({ url, tokens }: Connecting): Promise<number> {
  const began = performance.now();
  await inParallel(tokens, connectingAtOnce, async (token) => {
    open.push(await RawSocket.open(url, token));
  });
  return (performance.now() - began) / 1_000;
}

export async function cutAll(): Promise<void> {
  const gone = open.map(({ closed }) => closed);
  for (const socket of open) socket.cut();
  open = [];
  await Promise.all(gone);
}

export interface Subscribing {
  readonly query: string;
  /** The first event of each. */
  readonly first: string;
}

/** On every socket, one subscription. */
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

/** Queries over the open sockets in turn; resolves to the seconds that they took. */
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
  /** As it has to arrive. */
  readonly message: string;
}

/** `machineTime` when the last of the open sockets had this message. */
export async function allTold({ message }: Event): Promise<number> {
  let missing = open.length;
  const told = Promise.withResolvers<number>();
  for (const socket of open)
    socket.onMessage((text) => {
      if (text !== message) told.reject(new Error(`Not ${message}, but ${text}`));
      missing -= 1;
      if (missing === 0) told.resolve(machineTime());
    });
  return told.promise;
}

export interface Closing {
  readonly code: number;
}

/** `machineTime` when the last of the open sockets was closed, with this code. */
export async function allClosed({ code }: Closing): Promise<number> {
  const closes = await Promise.all(open.map(({ closed }) => closed));
  open = [];
  const other = closes.find((close) => close.code !== code);
  if (other) throw new Error(`Closed with ${other.code}, not with ${code}`);
  return Math.max(...closes.map(({ at }) => at));
}

export interface Logouts {
  /** Of the node that is asked. */
  readonly url: string;
  /** Of another, which has the sockets. */
  readonly socketUrl: string;
  /** Of sessions that are logged out one after the other. */
  readonly tokens: readonly string[];
  /** Under each of them. */
  readonly sockets: number;
}

export interface Logout {
  /** Milliseconds from the request to the last close; and from its answer, less than 0 where that came later. */
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
