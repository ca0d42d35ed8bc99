/** Type tests for the API of the library: compiled, never run. */
import type { GraphQLSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { createSchema, createYoga } from "graphql-yoga";
import type { WebSocketServer } from "ws";
import { expectTypeOf } from "vitest";
import {
  createCurfew,
  guardAuthenticated,
  loadOptions,
  openSessions,
  requireSession,
  resolvers,
  typeDefs,
  type AuditEvent,
  type OpenSessionsOptions,
  type Curfew,
  type CurfewContext,
  type CurfewOptions,
  type EndReason,
  type Events,
  type OpenSessions,
  type Options,
  type Backends,
  type RefusalReason,
  type Session,
  type SessionStore,
  type Stream,
  type PubSub,
  type UserDirectory,
} from "../../src/index.ts";

// `CurfewOptions` accepts every setting of `Options` and requires none.
expectTypeOf<Partial<Options>>().toExtend<CurfewOptions>();
expectTypeOf<CurfewOptions>().toExtend<Partial<Options>>();
expectTypeOf<OpenSessionsOptions>().toExtend<Partial<Options>>();
expectTypeOf(loadOptions).returns.toEqualTypeOf<Options>();
expectTypeOf(createCurfew).parameter(0).toEqualTypeOf<CurfewOptions | undefined>();
expectTypeOf(createCurfew).returns.resolves.toEqualTypeOf<Curfew>();
expectTypeOf(openSessions).returns.resolves.toEqualTypeOf<OpenSessions>();
expectTypeOf<keyof Curfew & keyof OpenSessions>().toEqualTypeOf<
  "sessions" | "admin" | "events" | "connections" | "metrics" | "close" | typeof Symbol.asyncDispose
>();
expectTypeOf<Backends>().toEqualTypeOf<{
  readonly store: SessionStore;
  readonly pubsub: PubSub;
  readonly users: UserDirectory;
}>();

// The types in resolvers.
expectTypeOf<CurfewContext["session"]>().toEqualTypeOf<Session | null>();
expectTypeOf<CurfewContext["events"]>().toEqualTypeOf<Events>();
expectTypeOf(requireSession).returns.toEqualTypeOf<Session>();
expectTypeOf<Events["subscribe"]>().returns.resolves.toEqualTypeOf<Stream<unknown>>();
await createCurfew({
  resolvers: {
    Query: {
      mine: (_parent, _args, context) => {
        expectTypeOf(context).toEqualTypeOf<CurfewContext>();
      },
    },
  },
  onAudit: (event) => {
    expectTypeOf(event).toEqualTypeOf<AuditEvent>();
  },
});

// Closed unions: a switch that omits a case does not compile.
expectTypeOf<RefusalReason>().toEqualTypeOf<
  | "MISSING"
  | "MALFORMED"
  | "BAD_SIGNATURE"
  | "WRONG_KIND"
  | "EXPIRED"
  | "SUPERSEDED"
  | "ENDED"
  | "REUSED"
  | "USER_GONE"
>();
expectTypeOf<EndReason>().toEqualTypeOf<
  | "LOGOUT"
  | "ENDED_BY_USER"
  | "PASSWORD_CHANGED"
  | "RENEWAL_REUSED"
  | "EXPIRED"
  | "USER_GONE"
  | "SESSION_LIMIT"
  | "ENDED_BY_OPERATOR"
>();

// The plugin and the socket options fit Yoga's and graphql-ws's types, also with an app's own contexts.
declare const curfew: OpenSessions;
declare const sockets: WebSocketServer;
const schema = createSchema<CurfewContext>({ typeDefs: [typeDefs], resolvers: [resolvers] });
expectTypeOf(guardAuthenticated(schema)).toEqualTypeOf<GraphQLSchema>();
const plain = createYoga({ schema, plugins: [curfew.plugin] });
useServer(curfew.socketOptions(plain), sockets);
interface AppContext {
  readonly tenant: string;
  readonly database: object;
}
const withAppContext = createYoga<Pick<AppContext, "tenant">, Pick<AppContext, "database">>({
  schema: createSchema<CurfewContext & AppContext>({ typeDefs: [typeDefs] }),
  context: () => ({ database: {} }),
  plugins: [curfew.plugin],
});
useServer({ ...curfew.socketOptions(withAppContext), onDisconnect: () => {} }, sockets);
