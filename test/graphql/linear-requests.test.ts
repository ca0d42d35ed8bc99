/** Whatever is wrong with a request, to say so takes time in proportion to its size, on every transport. */
import { Agent, request } from "node:http";
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { sizeRatio, isLinear, median, processCost } from "../helpers/cost.ts";
import { jsonOfSize, hostileApp, hostileParams } from "../helpers/hostile-params.ts";
import { register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";

/** The settings' largest body. */
const body = 262_144;
/** Node takes no more than 16 KiB of a request's head. */
const inUrl = 12_000;
/** Milliseconds below which nothing is said of a ratio. */
const floor = 100;

/** Resolves when it was answered. */
type Send = (json: string) => Promise<unknown>;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function http(url: string, method: "GET" | "POST"): Send {
  return (json) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const target = new URL(url);
    if (method === "GET")
      for (const [name, value] of Object.entries(JSON.parse(json) as object))
        target.searchParams.set(name, typeof value === "string" ? value : JSON.stringify(value));
    const headers = method === "POST" ? { "content-type": "application/json" } : {};
    request(target, { method, agent, headers }, (response) => {
      response.resume().on("end", resolve).on("error", reject);
    })
      .on("error", reject)
      .end(method === "POST" ? json : undefined);
    return promise;
  };
}

/** Those whose cost is superlinear, with the milliseconds of the small one and the large one. */
async function superlinear(send: Send, size: number): Promise<string[]> {
  const found: string[] = [];
  await send('{"query":"{ __typename }"}');
  for (const [name, make] of Object.entries(hostileParams)) {
    const [small, large] = [jsonOfSize(make, size / sizeRatio), jsonOfSize(make, size)];
    if ((await processCost(() => send(large))) <= floor) continue;
    const cost = async (json: string) => {
      const costs: number[] = [];
      for (let i = 0; i < 3; i += 1) costs.push(await processCost(() => send(json)));
      return median(costs);
    };
    const [few, many] = [await cost(small), await cost(large)];
    if (!isLinear(few, many, floor)) found.push(`${name}: ${few.toFixed(0)}, ${many.toFixed(0)}`);
  }
  return found;
}

/** As without introspection, and with it. */
const options = { ...hostileApp, maxFailuresPerAddress: 20, graphiql: false };

it.each([true, false])("over HTTP, with introspection %s", async (introspection) => {
  await using curfew = await startCurfew({ ...options, introspection });
  expect(await superlinear(http(curfew.url, "POST"), body)).toEqual([]);
});

it("in a URL", async () => {
  await using curfew = await startCurfew(options);
  const send = http(curfew.url, "GET");
  // Characters of a URL take up to three bytes each.
  expect(await superlinear(send, inUrl / 3)).toEqual([]);
});

it("on a socket", async () => {
  await using curfew = await startCurfew(options);
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  let id = 0;
  const send: Send = async (json) => {
    id += 1;
    socket.send(`{"id":"${id}","type":"subscribe","payload":${json}}`);
    for (;;) {
      const { type } = await socket.messages.next();
      if (type === "error" || type === "complete") return;
    }
  };
  expect(await superlinear(send, body - 100)).toEqual([]);
});
