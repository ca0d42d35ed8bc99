/** The child's side of a benchmark process: executes the orders that its parent sends over IPC. */

import { flushCompileCache } from "node:module";

/** Each order takes one argument or none; the answer is the value that it resolves to. */
export type Orders = Readonly<Record<string, (argument: never) => unknown>>;

export type Reply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string };

interface Order {
  readonly id: number;
  readonly order: string;
  readonly argument: unknown;
}

/** Reports that this process is ready, and executes orders until its parent is gone. */
export function serveOrders(orders: Orders): void {
  const follow = async ({ order, argument }: Order): Promise<unknown> => {
    const act = orders[order] as ((argument: unknown) => unknown) | undefined;
    if (act === undefined) throw new Error(`Unknown order: "${order}".`);
    return act(argument);
  };
  const reply = (message: Reply) => process.send?.(message);
  process.on("message", (order: Order) => {
    follow(order).then(
      (answer) => reply({ id: order.id, answer }),
      (error: unknown) =>
        reply({
          id: order.id,
          error: error instanceof Error ? (error.stack ?? "") : String(error),
        }),
    );
  });
  process.on("disconnect", () => process.exit());
  // The parent kills this process, which would otherwise not write its compile cache for the next one.
  flushCompileCache();
  reply({ id: 0, answer: undefined });
}
