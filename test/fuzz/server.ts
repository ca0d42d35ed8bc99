/** Starts the server to fuzz and checks afterwards that it leaks nothing and still works. */
import { expect } from "vitest";
import { login, newEmail, register } from "../helpers/http.ts";
import { startMeasuredServer } from "../helpers/measured.ts";
import { connect } from "../helpers/socket.ts";
import type { Credentials } from "./documents.ts";

/** Heap that fuzzing may leave in caches of documents and compiled code (bytes). */
const heapMargin = 48 * 2 ** 20;

/** Low limits: each password guess costs a hash. */
const options = {
  graphiql: false,
  maxFailuresPerAddress: 20,
  maxRegistrationsPerAddress: 20,
  maxSessionsPerUser: 0,
  trustProxy: 1,
};
const otherAddress = { "x-forwarded-for": "203.0.113.9" };

export async function startFuzzedServer() {
  const server = await startMeasuredServer(options);
  const user = await register(server.url);
  const before = await server.measureIdle();
  return {
    /** The server's URLs and the credentials of a new session. */
    async next(): Promise<{ url: string; socketUrl: string; loot: Credentials }> {
      const [session] = await server.start(1, user.userId);
      if (session === undefined) throw new Error("No session was started");
      const { token: ACCESS_TOKEN, renewalToken: RENEWAL_TOKEN, fingerprint: SESSION_ID } = session;
      const { url, socketUrl } = server;
      return { url, socketUrl, loot: { ACCESS_TOKEN, RENEWAL_TOKEN, SESSION_ID } };
    },
    /** CPU time of the server during the work (ms). */
    cost: async (work: () => Promise<unknown>) => server.cost(work),
    async expectNothingLeft() {
      const after = await server.measureIdle();
      expect(after.loggedErrors).toEqual([]);
      expect(after).toMatchObject({ connections: 0, sessions: 0, subscriptions: 0 });
      expect(after.heap - before.heap).toBeLessThan(heapMargin);
      const email = newEmail();
      await register(server.url, email, otherAddress);
      const { accessToken } = await login(server.url, email, otherAddress);
      await using socket = await connect(server.socketUrl, accessToken);
      socket.subscribe("1", "{ hello }");
      expect((await socket.messages.next()).payload).toEqual({ data: { hello: "world" } });
    },
    [Symbol.asyncDispose]: async () => server[Symbol.dispose](),
  };
}
