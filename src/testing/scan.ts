/** The part of the session store contract on listing all sessions, for stores that can. */
import { expect, test } from "vitest";
import type { SessionStore } from "../session/store.ts";
import { newSession, start } from "./samples.ts";

export function scanContract(storeOf: () => SessionStore): void {
  const begin = async () => {
    const session = newSession();
    await storeOf().create(session);
    return session;
  };

  test("scan lists every session that exists throughout, while others begin and end", async (context) => {
    const store = storeOf();
    if (store.scan === undefined) return context.skip();
    const sessions = await Promise.all(Array.from({ length: 2_500 }, () => begin()));
    const stay = sessions.slice(0, 2_400).map(({ fingerprint }) => fingerprint);
    const leave = sessions.slice(2_400);
    const listed = new Set<string>();
    for await (const fingerprints of store.scan()) {
      for (const fingerprint of fingerprints) listed.add(fingerprint);
      await store.end(leave.pop()?.fingerprint ?? "", start);
      await begin();
    }
    expect(stay.filter((fingerprint) => !listed.has(fingerprint))).toEqual([]);
  });

  test("scan can be left early and begun again", async (context) => {
    const store = storeOf();
    if (store.scan === undefined) return context.skip();
    const { fingerprint } = await begin();
    for await (const _ of store.scan()) break;
    const batches = await Array.fromAsync(store.scan());
    expect(batches.flat()).toContain(fingerprint);
  });
}
