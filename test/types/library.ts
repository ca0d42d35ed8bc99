/** What the types of the library promise to those who build on it: compiled with everything else, and never run. */
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
  type CoreOptions,
  type Curfew,
  type CurfewContext,
  type CurfewOptions,
  type EndReason,
  type Events,
  type OpenSessions,
  type Options,
  type Parts,
  type RefusalReason,
  type Session,
  type SessionStore,
  type Stream,
  type Topics,
  type UserDirectory,
} from "../../src/index.ts";

// Every setting is one of `Options`, and none is needed.
expectTypeOf<Partial<Options>>().toExtend<CurfewOptions>();
expectTypeOf<CurfewOptions>().toExtend<Partial<Options>>();
expectTypeOf<CoreOptions>().toExtend<Partial<Options>>();
expectTypeOf(loadOptions).returns.toEqualTypeOf<Options>();
expectTypeOf(createCurfew).parameter(0).toEqualTypeOf<CurfewOptions | undefined>();
expectTypeOf(createCurfew).returns.resolves.toEqualTypeOf<Curfew>();
expectTypeOf(openSessions).returns.resolves.toEqualTypeOf<OpenSessions>();
expectTypeOf<keyof Curfew & keyof OpenSessions>().toEqualTypeOf<
  "sessions" | "admin" | "events" | "connections" | "metrics" | "close" | typeof Symbol.asyncDispose
>();
expectTypeOf<Parts>().toEqualTypeOf<{
  readonly store: SessionStore;
  readonly pubsub: Topics;
  readonly users: UserDirectory;
}>();

// What resolvers get.
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

// Closed unions: to leave a case out of a switch is an error.
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

// The pieces fit into Yoga and graphql-ws as these have them, with an app's own contexts too.
declare const curfew: OpenSessions;
declare const sockets: WebSocketServer;
const schema = createSchema<CurfewContext>({ typeDefs: [typeDefs], resolvers: [resolvers] });
expectTypeOf(guardAuthenticated(schema)).toEqualTypeOf<GraphQLSchema>();
const plain = createYoga({ schema, plugins: [curfew.plugin] });
useServer(curfew.socketOptions(plain), sockets);
interface Own {
  readonly tenant: string;
  readonly database: object;
}
const fitted = createYoga<Pick<Own, "tenant">, Pick<Own, "database">>({
  schema: createSchema<CurfewContext & Own>({ typeDefs: [typeDefs] }),
  context: () => ({ database: {} }),
  plugins: [curfew.plugin],
});
useServer({ ...curfew.socketOptions(fitted), onDisconnect: () => {} }, sockets);
