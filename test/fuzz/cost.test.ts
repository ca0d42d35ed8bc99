/**
 * No single input blocks the server for longer than its size explains. The test prints the most expensive
 * inputs; `FUZZ_KEEP=1 npx vitest run test/fuzz/cost.test.ts` adds them to worst.json, which is sent first.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { jsonOfSize, hostileParams } from "../helpers/hostile-params.ts";
import { connect } from "../helpers/socket.ts";
import { readCorpus, writeCorpus, type Corpus } from "./corpus.ts";
import { json, withCredentials } from "./documents.ts";
import { startFuzzedServer } from "./server.ts";

/** Allowed CPU time beyond that of a harmless input of the same size (ms): three times that of the worst known input. */
const excess = 150;
/** An input that costs more is worth saving (ms). */
const worthSaving = 25;
/** The default of MAX_MESSAGE_SIZE (bytes). */
const largest = 262_144;
const generated = 200;
/** Inputs are measured in groups of this size, and one by one if the group is expensive. */
const groupSize = 10;

type Send = (input: string) => Promise<unknown>;

function overHttp(url: string): Send {
  return async (body) => {
    // No text/event-stream: generated inputs may subscribe, and the stream would not end.
    const headers = { "content-type": "application/json", accept: "application/json" };
    await (await fetch(url, { method: "POST", headers, body })).text();
  };
}

/** Uses a new socket and session for each input: some inputs close the socket or end the session. */
function onSocket(fuzzed: Awaited<ReturnType<typeof startFuzzedServer>>): Send {
  return async (payload) => {
    const { socketUrl, loot } = await fuzzed.next();
    await using socket = await connect(socketUrl, loot.ACCESS_TOKEN);
    socket.send(`{"id":"1","type":"subscribe","payload":${payload}}`);
    socket.send('{"id":"2","type":"subscribe","payload":{"query":"{ __typename }"}}');
    const closed = socket.closed.then(() => undefined);
    for (;;) {
      const message = await Promise.race([socket.messages.next().catch(() => undefined), closed]);
      if (message === undefined || message.id === "2") return;
    }
  };
}

function inputs(): Corpus {
  const known = Object.entries(hostileParams).map(([name, make]) => [
    name,
    jsonOfSize(make, largest - 100),
  ]);
  const found = fc.sample(json, generated).map((body, i) => [`generated ${i}`, body]);
  return Object.fromEntries([...Object.entries(readCorpus()), ...known, ...found]);
}

it.each(["http", "socket"] as const)(
  "over %s, no input costs much more CPU time than a harmless one of its size",
  { timeout: 300_000 },
  async (transport) => {
    await using fuzzed = await startFuzzedServer();
    const { url, loot } = await fuzzed.next();
    const send = transport === "http" ? overHttp(url) : onSocket(fuzzed);
    /** The lowest of three measurements, which excludes garbage collections. */
    const cost = async (input: string) => {
      const costs: number[] = [];
      for (let i = 0; i < 3; i += 1) costs.push(await fuzzed.cost(() => send(input)));
      return Math.min(...costs);
    };
    const harmless = (size: number) => `{"query":"{ __typename }${" ".repeat(size)}"}`;
    for (let i = 0; i < 20; i += 1) await send(harmless(largest / 2));
    const [least, most] = [await cost(harmless(0)), await cost(harmless(largest - 200))];
    const allowed = (input: string) => least + (most * Buffer.byteLength(input)) / largest + excess;

    const costs: { readonly name: string; readonly input: string; readonly cost: number }[] = [];
    const all = Object.entries(inputs()).map(
      ([name, input]) => [name, withCredentials(input, loot)] as const,
    );
    for (let i = 0; i < all.length; i += groupSize) {
      const some = all.slice(i, i + groupSize);
      const together = await fuzzed.cost(async () => {
        for (const [, input] of some) await send(input);
      });
      if (together < worthSaving) continue;
      for (const [name, input] of some) costs.push({ name, input, cost: await cost(input) });
    }
    const worst = costs.toSorted((one, other) => other.cost - one.cost);
    const lines = worst.slice(0, 5).map(({ name, cost: time }) => `${time.toFixed(0)} ms: ${name}`);
    process.stdout.write(`Most of ${all.length} inputs over ${transport}:\n${lines.join("\n")}\n`);
    if (process.env["FUZZ_KEEP"] === "1") {
      const saved = worst.filter((one) => one.cost > worthSaving || one.name in readCorpus());
      writeCorpus({
        ...readCorpus(),
        ...Object.fromEntries(saved.map(({ name, input }) => [name, input])),
      });
    }
    expect(
      worst.filter((one) => one.cost > allowed(one.input)).map((one) => `${one.name}: ${one.cost}`),
    ).toEqual([]);
    await fuzzed.expectNothingLeft();
  },
);
