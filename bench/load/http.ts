/** Generates load over HTTP: in a closed loop, or at a fixed rate. */
import { setTimeout as pause } from "node:timers/promises";
import { HttpConnection, requestFor } from "./http-connection.ts";

export interface Requests {
  readonly url: string;
  readonly token?: string | undefined;
  /** Sent in rotation. */
  readonly bodies: readonly unknown[];
  /** The expected response: one for all bodies, or one for each. */
  readonly answers: readonly string[];
  readonly count: number;
}

export interface ClosedLoop extends Requests {
  /** Each sends its next request when the last one is answered. */
  readonly connections: number;
}

/** Resolves to the duration in seconds. */
export async function closedLoop(load: ClosedLoop): Promise<number> {
  const send = sender(load);
  const opening = Array.from({ length: load.connections }, () => HttpConnection.open(load.url));
  const connections = await Promise.all(opening);
  let sent = 0;
  const began = performance.now();
  const work = async (connection: HttpConnection) => {
    while (sent < load.count) await send(connection, (sent += 1));
  };
  await Promise.all(connections.map(work));
  const seconds = (performance.now() - began) / 1_000;
  for (const connection of connections) connection.close();
  return seconds;
}

export interface OpenLoop extends Requests {
  readonly perSecond: number;
}

/**
 * Sends at a fixed rate, over as many connections as needed: a slow response does not delay the next request.
 * Resolves to the latencies in milliseconds.
 */
export async function openLoop(load: OpenLoop): Promise<number[]> {
  const send = sender(load);
  const idle: HttpConnection[] = [];
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  const askOnce = async (number: number) => {
    const connection = idle.pop() ?? (await HttpConnection.open(load.url));
    const began = performance.now();
    await send(connection, number);
    latencies.push(performance.now() - began);
    idle.push(connection);
  };
  const began = performance.now();
  while (pending.length < load.count) {
    const due = ((performance.now() - began) / 1_000) * load.perSecond;
    while (pending.length < Math.min(due, load.count)) pending.push(askOnce(pending.length));
    await pause(1);
  }
  await Promise.all(pending);
  for (const connection of idle) connection.close();
  return latencies;
}

/** Sends the next request in rotation, and checks its response. */
function sender({ url, token, bodies, answers }: Requests) {
  const requests = bodies.map((body) => requestFor(url, token, body));
  return async (connection: HttpConnection, number: number): Promise<void> => {
    const turn = number % requests.length;
    const answer = await connection.ask(requests[turn] ?? Buffer.of());
    const expected = answers.length === 1 ? answers[0] : answers[turn];
    if (answer.trim() !== expected) throw new Error(`Not ${expected}, but ${answer}`);
  };
}
