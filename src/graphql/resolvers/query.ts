/** Resolvers of the queries. */
import type { QueryResolvers } from "../generated.ts";
import { serviceUnavailable } from "../errors.ts";

export const Query: QueryResolvers = {
  viewer: (_parent, _args, { session, caller }) => {
    // Null would mean "signed out", which is unknown while the store does not answer.
    if (caller.authentication.state === "unavailable") throw serviceUnavailable();
    return session;
  },
};
