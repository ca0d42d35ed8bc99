/** The other end of a process: what it does when it is ordered to. */

import { flushCompileCache } from "node:module";

/** Each takes one argument or none, and what it resolves to is the answer. */
export type Orders = Readonly<Record<string, (argument: never) => unknown>>;

export type Reply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string };

interface Order {
  readonly id: number;
  readonly order: string;
  readonly argument: unknown;
}

/** Says that this process is ready, and obeys until its parent is gone. */
export function obey(orders: Orders): void {
  const follow = async ({ order, argument }: Order): Promise<unknown> => {
    const act = orders[order] as ((argument: unknown) => unknown) | undefined;
    if (act === undefined) throw new Error(`There is no order "${order}".`);
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
  // It is killed in the end, and would then leave nothing to the next one of its kind.
  flushCompileCache();
  reply({ id: 0, answer: undefined });
}
