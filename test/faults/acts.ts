/** What the scenarios are made of. */
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "./client.ts";
import type { Node } from "./cluster.ts";
import type { World } from "./play.ts";

/** Where the victims sign out. */
export function here({ nodes }: World): Node {
  return nodes[0] as Node;
}

/** Where that has to be heard of. */
export function there({ nodes }: World): Node {
  return nodes[1] as Node;
}

export function names({ nodes }: World): string[] {
  return nodes.map(({ name }) => name);
}

/** Repeats what was not acknowledged, as a time-out says nothing. */
export async function signOut(world: World, node: Node = here(world)): Promise<void> {
  const end = async (victim: Client) => {
    while (!(await victim.logout(node))) await pause(100);
  };
  await Promise.all(world.victims.map(end));
}

/** After the end, which the other node does not hear of, Redis answers nobody. */
export async function freeze(world: World, milliseconds: number): Promise<void> {
  there(world).proxy.lose('"ended"');
  await signOut(world);
  const recovered = world.trace.outage(names(world));
  world.redis.freeze();
  await pause(milliseconds);
  recovered();
  world.redis.thaw();
}
