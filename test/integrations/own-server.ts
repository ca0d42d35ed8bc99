/** An app's own server, whose Yoga and graphql-ws use Curfew's plugin and options. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IResolvers } from "@graphql-tools/utils";
import { useServer } from "graphql-ws/use/ws";
import { createSchema, createYoga, type Plugin } from "graphql-yoga";
import { pino } from "pino";
import { WebSocketServer } from "ws";
import {
  openSessions,
  resolvers,
  typeDefs,
  type OpenSessionsOptions,
  type CurfewContext,
} from "../../src/index.ts";
import { testApp } from "../helpers/app.ts";
import { secrets } from "../helpers/curfew.ts";

export type AppPlugin = Plugin<CurfewContext>;

export interface OwnServerOptions extends OpenSessionsOptions {
  /** Plugins before Curfew's, and after it. */
  readonly before?: readonly AppPlugin[];
  readonly after?: readonly AppPlugin[];
  readonly maskError?: (error: unknown) => Error;
  readonly appTypeDefs?: string;
  readonly appResolvers?: IResolvers<unknown, CurfewContext>;
}

export async function startOwnServer({
  before = [],
  after = [],
  maskError,
  appTypeDefs = "",
  appResolvers = {},
  ...options
}: OwnServerOptions = {}) {
  const app = testApp();
  const curfew = await openSessions({
    dataDir: ":memory:",
    secrets,
    logger: pino({ level: "silent" }),
    maxRegistrationsPerAddress: 1_000_000,
    maxSocketsPerAddress: 0,
    drainTime: 200,
    ...options,
  });
  const schema = createSchema<CurfewContext>({
    typeDefs: [typeDefs, app.schema.typeDefs, appTypeDefs],
    resolvers: [resolvers, app.schema.resolvers ?? {}, appResolvers].flat(),
  });
  const yoga = createYoga({
    schema,
    plugins: [...before, curfew.plugin, ...after],
    logging: false,
    batching: true,
    ...(maskError && { maskedErrors: { maskError } }),
  });
  const server = createServer((...both) => void yoga(...both)).listen(0, "127.0.0.1");
  const webSockets = new WebSocketServer({ server, path: "/graphql" });
  const sockets = useServer(curfew.socketOptions(yoga), webSockets);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    ...curfew,
    app,
    yoga,
    url: `http://127.0.0.1:${port}/graphql`,
    socketUrl: `ws://127.0.0.1:${port}/graphql`,
    async [Symbol.asyncDispose]() {
      server.close();
      await curfew.close();
      await sockets.dispose();
      server.closeAllConnections();
    },
  };
}
