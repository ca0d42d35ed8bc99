/** `sockets`: the server's memory for an idle socket, without and with a subscription. */
import type { Actor } from "../harness/processes.ts";
import { startCurfew, startLoad, startServer, type ServerOrders } from "../harness/environment.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";

const flags = ["--expose-gc"];

export const sockets: Workload = async (bench) => {
  const { env, sessions } = bench.environment;
  const total = bench.quick ? 1_000 : 15_000;
  const tokens = (await sessions(total)).map(({ accessToken }) => accessToken);
  const half = total / 2;

  const round = (start: () => Promise<Actor<ServerOrders>>) => async () => {
    await using here = await start();
    await using there = await start();
    await using load = await startLoad();
    const nodes = [here, there];
    const sum = async (order: "memory" | "cpu") => {
      const [one, other] = await Promise.all(nodes.map((node) => node.ask(order)));
      return (one ?? 0) + (other ?? 0);
    };
    const connect = (from: number, to: number) =>
      Promise.all(
        nodes.map(async (node, i) => {
          const own = tokens.slice(i * half, (i + 1) * half).slice(from, to);
          await load.ask("connectAll", { url: await node.ask("url"), tokens: own });
        }),
      );
    const subscribe = () =>
      load.ask("subscribeAll", { query: "subscription { said }", first: '{"said":"ready"}' });
    // Excludes one-time compilation and allocation from the figures. The warm-up has few sockets, so that it reserves no memory for later ones.
    for (let i = 0; i < 5; i += 1) {
      await connect(0, Math.min(200, half));
      await subscribe();
      await load.ask("terminateAll");
    }
    const empty = await sum("memory");
    await connect(0, half);
    const idle = await sum("memory");
    await subscribe();
    const subscribed = await sum("memory");
    return {
      "KB idle": (idle - empty) / total / 1_024,
      "KB subscribed": (subscribed - empty) / total / 1_024,
    };
  };

  const results = await compete(
    bench,
    [
      { name: "Curfew", round: round(() => startCurfew(env, flags)) },
      {
        name: "graphql-ws, unchecked",
        round: round(() => startServer("servers/graphql-ws.ts", { flags })),
      },
    ],
    { blocks: 3, mirrored: false },
  );
  const kilobytes = (measure: string, atMost: number) => ({
    name: `${measure}, a socket of Curfew`,
    unit: "KB" as const,
    value: results.estimate("Curfew", measure),
    control: results.control("Curfew", measure),
    target: { atMost },
  });
  const ratio = (measure: string) => ({
    name: `${measure}, Curfew ÷ graphql-ws`,
    unit: "" as const,
    value: results.ratio("Curfew", "graphql-ws, unchecked", measure),
    control: results.control("Curfew", measure),
  });
  return {
    workload: "sockets",
    work: `${total} sockets on two nodes, each under a session of its own; resident memory after a collection`,
    rows: rowsOf(results),
    figures: [
      { ...ratio("KB idle"), target: { atMost: 1.25 } },
      { ...ratio("KB subscribed"), target: { atMost: 1.25 } },
      kilobytes("KB idle", 12),
      kilobytes("KB subscribed", 18),
    ],
  };
};
