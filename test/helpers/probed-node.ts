/** Opens the links of one node to Redis with their probe, and records what it reports. */
import type { RedisAddress } from "../../src/stores/redis/address.ts";
import { nodeLimits } from "../../src/node/limits.ts";
import { closeClient, runIdAt } from "../../src/stores/redis/client.ts";
import type { LinkName } from "../../src/stores/redis/link-state.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { commandClient, probeLinks, subscriberClient } from "./adapters.ts";
import { until } from "./until.ts";

/** A change of a link: its loss with the cause, or its return. */
export type LinkEvent = `${LinkName} ${string}`;

/**
 * @param subscriberAddress the address of the subscriber, if it has one of its own
 * @param isProbed without the probe, the subscriber is only pinged
 */
export async function openProbedNode(
  address: RedisAddress,
  subscriberAddress = address,
  isProbed = true,
) {
  const commands = await commandClient(address);
  const subscriber = await subscriberClient(subscriberAddress, commands);
  const pubsub = new RedisPubSub({ publisher: commands, subscriber, onError: () => {} });
  const events: LinkEvent[] = [];
  const states: Partial<Record<LinkName, boolean>> = {};
  let replacements = 0;
  let missed = 0;
  pubsub.onMessagesMissed(() => (missed += 1));
  const probe = isProbed
    ? await probeLinks(
        { commands, subscriber },
        {
          observer: {
            linkChanged: (link, isUp) => (states[link] = isUp),
            linkLost: (link, cause) => events.push(`${link} lost: ${cause}`),
            linkReturned: (link) => events.push(`${link} back`),
            storeReplaced: () => {},
          },
          locate: () => runIdAt(address, nodeLimits.redis),
          onCommandsReturned: () => pubsub.reportMissedMessages(),
        },
      )
    : undefined;
  probe?.onReplaced(() => (replacements += 1));
  const ping = isProbed ? undefined : setInterval(() => void subscriber.ping(), 1_000);
  const close = async () => {
    clearInterval(ping);
    probe?.close();
    await pubsub.close();
    await closeClient(commands);
  };
  /** Whether a message reaches this node's own subscriber within the time (ms). */
  const isHeard = async (within: number) => {
    let heard = false;
    const topic = `heard ${crypto.randomUUID()}`;
    const leave = await pubsub.subscribe(topic, () => (heard = true));
    await pubsub.publish(topic, 1);
    const result = await until(() => heard, "the message", within).then(
      () => true,
      () => false,
    );
    leave();
    return result;
  };
  return {
    commands,
    subscriber,
    pubsub,
    probe,
    events,
    states,
    isHeard,
    /** Resolves when the link has been lost and is back. */
    untilBack: (link: LinkName) => until(() => events.includes(`${link} back`), `the ${link}`),
    replacements: () => replacements,
    missed: () => missed,
    [Symbol.asyncDispose]: close,
  };
}
