/** Type tests for the API of `curfew/client`: compiled, never run. */
import type { ApolloLink } from "@apollo/client";
import type { Client } from "graphql-ws";
import { expectTypeOf } from "vitest";
import type { sessionLink } from "../../src/client/apollo.ts";
import type { sessionFetch } from "../../src/client/fetch.ts";
import type { createSocketClient, SignedOut } from "../../src/client/graphql-ws.ts";
import type { createSession, Session, SessionState } from "../../src/client/index.ts";
import type { sessionOptions } from "../../src/client/urql.ts";

expectTypeOf<typeof createSession>().returns.toEqualTypeOf<Session>();
expectTypeOf<Session["state"]>().toEqualTypeOf<SessionState>();
expectTypeOf<SessionState["status"]>().toEqualTypeOf<"starting" | "signedIn" | "signedOut">();
expectTypeOf<typeof sessionFetch>().returns.toEqualTypeOf<typeof fetch>();
expectTypeOf<typeof createSocketClient>().returns.toEqualTypeOf<Client>();
expectTypeOf<typeof sessionLink>().returns.toEqualTypeOf<ApolloLink>();
expectTypeOf<typeof sessionOptions>().returns.toHaveProperty("exchanges");
expectTypeOf<SignedOut["code"]>().toEqualTypeOf<4401>();
