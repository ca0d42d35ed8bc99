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

/** The app's part of the schema. It may use `type Query`, `extend type Query` and `@authenticated`. */
export interface AppSchema {
  readonly typeDefs?: TypeSource;
  readonly resolvers?: IResolvers<unknown, CurfewContext> | IResolvers<unknown, CurfewContext>[];
}

const schemaFolder = new URL("../../schema/", import.meta.url);

/** Curfew's complete schema in SDL, to merge with an app's. It includes `@authenticated`. */
export const typeDefs = readdirSync(schemaFolder)
  .filter((file) => file.endsWith(".graphql"))
  .map((file) => readFileSync(new URL(file, schemaFolder), "utf8"))
  .join("\n");

/** The directive `@authenticated` in SDL, for an app whose schema has a login of its own. */
export const authenticatedTypeDefs = "directive @authenticated on OBJECT | FIELD_DEFINITION";

const curfewResolvers: Resolvers = {
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
export const resolvers = curfewResolvers as IResolvers<unknown, CurfewContext>;

/**
 * Merges Curfew's schema with the app's.
 *
 * @throws {Error} if the app's resolvers do not match the type definitions.
 */
export function createSchema(app: AppSchema): GraphQLSchema {
  return guardAuthenticated(
    makeExecutableSchema({
      typeDefs: [typeDefs, app.typeDefs ?? []],
      resolvers: [resolvers, app.resolvers ?? []].flat(),
      inheritResolversFromInterfaces: true,
    }),
  );
}
