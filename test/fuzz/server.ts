/** A real server to be fuzzed, seen from outside. */
import { expect } from "vitest";
import { login, newEmail, register } from "../helpers/http.ts";
import { startMeasuredServer } from "../helpers/measured.ts";
import { connect } from "../helpers/socket.ts";
import type { Loot } from "./documents.ts";

/** What fuzzing leaves in caches of documents and of compiled code, in bytes. */
const margin = 48 * 2 ** 20;

/** Every guess is a hash, and a few of them are enough. */
const options = {
  graphiql: false,
  maxFailuresPerAddress: 20,
  maxRegistrationsPerAddress: 20,
  maxSessionsPerUser: 0,
  trustProxy: 1,
};
const elsewhere = { "x-forwarded-for": "203.0.113.9" };

export async function fuzzedServer() {
  const server = await startMeasuredServer(options);
  const user = await register(server.url);
  const before = await server.measureIdle();
  return {
    /** Where it is, and what an attacker may hold of a session of his own. */
    async next(): Promise<{ url: string; socketUrl: string; loot: Loot }> {
      const [session] = await server.start(1, user.userId);
      if (session === undefined) throw new Error("No session was started");
      const { token: ACCESS_TOKEN, renewalToken: RENEWAL_TOKEN, fingerprint: SESSION_ID } = session;
      const { url, socketUrl } = server;
      return { url, socketUrl, loot: { ACCESS_TOKEN, RENEWAL_TOKEN, SESSION_ID } };
    },
    /** Milliseconds of CPU time that the server takes meanwhile. */
    cost: async (work: () => Promise<unknown>) => server.cost(work),
    async expectNothingLeft() {
      const after = await server.measureIdle();
      expect(after.loggedErrors).toEqual([]);
      expect(after).toMatchObject({ connections: 0, sessions: 0, subscriptions: 0 });
      expect(after.heap - before.heap).toBeLessThan(margin);
      const email = newEmail();
      await register(server.url, email, elsewhere);
      const { accessToken } = await login(server.url, email, elsewhere);
      await using socket = await connect(server.socketUrl, accessToken);
      socket.subscribe("1", "{ hello }");
      expect((await socket.messages.next()).payload).toEqual({ data: { hello: "world" } });
    },
    [Symbol.asyncDispose]: async () => server[Symbol.dispose](),
  };
}
