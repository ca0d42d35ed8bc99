/** Resolvers of the subscriptions. */
import { requireSession } from "../context.ts";
import type { SubscriptionResolvers } from "../generated.ts";
import type { SessionEvent } from "../../session/watch.ts";

export const Subscription: SubscriptionResolvers = {
  sessionEvents: {
    subscribe: (_parent, _args, context) => context.watch(requireSession(context).userId),
    resolve: (event: SessionEvent) => event,
  },
};
