/** The Yoga engine: one pipeline that HTTP and the socket both execute on. */
import type { OnFault } from "../session/fault.ts";
import { NoSchemaIntrospectionCustomRule, type GraphQLSchema } from "graphql";
import {
  _createLRUCache,
  createYoga,
  useReadinessCheck,
  type Plugin,
  type YogaLogger,
} from "graphql-yoga";
import type { Caller } from "./caller.ts";
import { createContext, type CurfewContext, type Services } from "./context.ts";
import { useSessionEnd } from "./ending.ts";
import { maskError } from "./errors.ts";
import { policyOf, useAnswerHeaders } from "./headers.ts";
import { useQueryLimits, type QueryLimits } from "./limits.ts";

/** What a transport passes along with each request or operation. */
export interface ServerContext {
  readonly identify: () => Caller | Promise<Caller>;
}

export interface EngineOptions {
  readonly schema: GraphQLSchema;
  readonly services: Services;
  readonly logger: YogaLogger;
  readonly onFault: OnFault;
  /** Whether this node can serve; for `/ready`. */
  readonly isReady: () => Promise<boolean>;
  /** Bytes of a request body. */
  readonly maxBodySize: number;
  /** Whose pages may read answers; cookies are never asked for. */
  readonly allowsOrigin: (origin: string, host: string | null) => boolean;
  readonly graphiql: boolean;
  readonly introspection: boolean;
  readonly limits: QueryLimits;
}

export type Engine = ReturnType<typeof createEngine>;

export function createEngine(options: EngineOptions) {
  const { schema, services, logger, isReady, allowsOrigin } = options;
  let pagePolicy: string | undefined;
  return createYoga<ServerContext, CurfewContext>({
    schema,
    context: async ({ identify }) => createContext(services, await identify()),
    logging: logger,
    maskedErrors: { maskError },
    maxRequestBodySize: options.maxBodySize,
    multipart: false,
    parserAndValidationCache: { documentCache: smallCache(), errorCache: smallCache() },
    cors: ({ headers }) => {
      const origin = headers.get("origin") ?? "";
      if (!allowsOrigin(origin, headers.get("host"))) return false;
      return { origin: [origin], credentials: false, methods: ["GET", "POST"] };
    },
    landingPage: false,
    graphiql: options.graphiql && {
      title: "Curfew",
      // What people paste into the Headers tab is a token, and stays out of localStorage.
      shouldPersistHeaders: false,
      defaultQuery,
    },
    // Nine megabytes of page, with nothing to load from elsewhere: for those who open it.
    renderGraphiQL: async (settings) => {
      const { renderGraphiQL } = await import("@graphql-yoga/render-graphiql");
      const page = renderGraphiQL(settings);
      // Of the same settings it makes the same page.
      pagePolicy ??= policyOf(page);
      return page;
    },
    plugins: [
      useSessionEnd(options.onFault),
      useQueryLimits(options.limits),
      useAnswerHeaders(() => pagePolicy),
      useReadinessCheck({ check: isReady }),
      ...(options.introspection ? [] : [withoutIntrospection]),
    ],
  });
}

/** A parsed document takes more than a hundred times the memory of its text, and anybody can send one. */
function smallCache<Value extends object>() {
  const cache = _createLRUCache<Value>({ max: 128 });
  return {
    get: (text: string) => cache.get(text),
    set: (text: string, value: Value) => {
      if (text.length <= 4096) cache.set(text, value);
    },
  };
}

const withoutIntrospection: Plugin = {
  onValidate: ({ addValidationRule }) => addValidationRule(NoSchemaIntrospectionCustomRule),
};

/** No wider than GraphiQL's editor on a small screen. */
const defaultQuery = `# Make an account. Then put its access token
# into the Headers tab below, like this:
# { "Authorization": "Bearer curfew_access_…" }
mutation Register {
  register(
    email: "ada@example.com"
    password: "correct horse battery staple"
  ) {
    ... on SignedIn { tokens { accessToken } }
    ... on Problem { message }
  }
}

# When there is an account already.
mutation Login {
  login(
    email: "ada@example.com"
    password: "correct horse battery staple"
  ) {
    ... on SignedIn { tokens { accessToken } }
    ... on Problem { message }
  }
}

query WhoAmI {
  viewer {
    user { email }
    sessions { id current userAgent }
  }
}

# Runs until its session ends, wherever that is.
subscription Watch {
  sessionEvents {
    type
    endReason
    session { id userAgent }
  }
}

mutation Logout {
  logout { endedSessions }
}
`;
