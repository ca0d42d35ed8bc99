/** Resolvers of the queries: who is asking. */
import type { QueryResolvers } from "../generated.ts";
import { serviceUnavailable } from "../errors.ts";

export const Query: QueryResolvers = {
  viewer: (_parent, _args, { session, caller }) => {
    // Not null, which would say "signed out" when nobody knows.
    if (caller.authentication.state === "unavailable") throw serviceUnavailable();
    return session;
  },
};
