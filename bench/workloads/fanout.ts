/** `fanout`: one event to ten thousand subscribers. */
import type { Actor } from "../harness/processes.ts";
import { startCurfew, startLoad, startServer, type ServerOrders } from "../harness/environment.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";
import type { LoadOrders } from "../load/generator.ts";
import type { GraphqlWsOrders } from "../servers/sockets.ts";

const messageOf = (text: string) =>
  JSON.stringify({ id: "1", type: "next", payload: { data: { said: text } } });

export const fanout: Workload = async (bench) => {
  const { env, sessions } = bench.environment;
  const [warmUp, events, count] = bench.quick ? [1, 3, 500] : [2, 8, 10_000];
  const started = await sessions(count / 50);
  // A session may have a hundred sockets on a node.
  const tokens = started.flatMap(({ accessToken }) =>
    Array.from({ length: 50 }, () => accessToken),
  );

  /** Sends events one by one with `send`, which resolves to when it began. */
  const measure = async (
    server: Actor<ServerOrders>,
    load: Actor<LoadOrders>,
    send: (text: string) => Promise<number>,
  ) => {
    let [time, before] = [0, 0];
    for (let event = 0; event < warmUp + events; event += 1) {
      if (event === warmUp) [time, before] = [0, await server.ask("cpu")];
      const text = `This is the event of number ${event}.`;
      const received = load.ask("allReceived", { message: messageOf(text) });
      const began = await send(text);
      time += (await received) - began;
    }
    const cpu = (await server.ask("cpu")) - before;
    return {
      "per second": (events * count) / (time / 1_000),
      "CPU µs": cpu / events / count,
      "ms to the last": time / events,
    };
  };
  const curfew = async () => {
    await using server = await startCurfew(env);
    await using load = await startLoad();
    await load.ask("connectAll", { url: await server.ask("url"), tokens });
    await load.ask("subscribeAll", {
      query: "subscription { said }",
      first: '{"said":"ready"}',
    });
    return await measure(server, load, (text) => server.ask("say", { text }));
  };
  const bare = async () => {
    await using server = await startServer<GraphqlWsOrders>("servers/graphql-ws.ts");
    await using load = await startLoad();
    await load.ask("connectAll", { url: await server.ask("url"), tokens });
    return await measure(server, load, (text) =>
      server.ask("sendAll", { message: messageOf(text) }),
    );
  };

  const results = await compete(
    bench,
    [
      { name: "Curfew", round: curfew },
      { name: "ws, the same frames", round: bare },
    ],
    { mirrored: false },
  );
  return {
    workload: "fanout",
    work: `${events} events, each to ${count} subscribers, 50 of a session`,
    rows: rowsOf(results),
    figures: [
      {
        name: "events delivered per second, Curfew ÷ ws",
        unit: "",
        value: results.ratio("Curfew", "ws, the same frames", "per second"),
        control: results.control("Curfew", "per second"),
        target: { atLeast: 0.6 },
      },
    ],
  };
};
