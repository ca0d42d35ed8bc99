/** The executable schema: Curfew's own, merged with the app's. */
import { readdirSync, readFileSync } from "node:fs";
import { makeExecutableSchema } from "@graphql-tools/schema";
import type { IResolvers, TypeSource } from "@graphql-tools/utils";
import type { GraphQLSchema } from "graphql";
import { guardAuthenticated } from "./authenticated.ts";
import type { CurfewContext } from "./context.ts";
import { DateTime } from "./date-time.ts";
import type { Resolvers } from "./generated.ts";
import { Mutation } from "./resolvers/mutation.ts";
import { Query } from "./resolvers/query.ts";
import { Subscription } from "./resolvers/subscription.ts";
import { Session, SessionEvent, TokenPair, Viewer } from "./resolvers/types.ts";

/** What an app adds. `type Query`, `extend type Query` and `@authenticated` may all be used. */
export interface AppSchema {
  readonly typeDefs?: TypeSource;
  readonly resolvers?: IResolvers<unknown, CurfewContext> | IResolvers<unknown, CurfewContext>[];
}

const folder = new URL("../../schema/", import.meta.url);

/** Curfew's whole schema in SDL, to be merged with an app's; `@authenticated` is in it. */
export const typeDefs = readdirSync(folder)
  .filter((file) => file.endsWith(".graphql"))
  .map((file) => readFileSync(new URL(file, folder), "utf8"))
  .join("\n");

/** Of the directive alone, for an app whose schema has a login of its own. */
export const authenticatedTypeDefs = "directive @authenticated on OBJECT | FIELD_DEFINITION";

const ownResolvers: Resolvers = {
  DateTime,
  Query,
  Mutation,
  Subscription,
  Viewer,
  Session,
  SessionEvent,
  TokenPair,
};

/** The resolvers of {@link typeDefs}. */
export const resolvers = ownResolvers as IResolvers<unknown, CurfewContext>;

/** @throws Error when the app's definitions and its resolvers do not fit together. */
export function createSchema(app: AppSchema): GraphQLSchema {
  return guardAuthenticated(
    makeExecutableSchema({
      typeDefs: [typeDefs, app.typeDefs ?? []],
      resolvers: [resolvers, app.resolvers ?? []].flat(),
      inheritResolversFromInterfaces: true,
    }),
  );
}
