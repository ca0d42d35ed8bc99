/** A `fetch` with the session's token: whatever it is given goes out whole, and once more where it was refused. */
import { expect, it } from "vitest";
import { sessionFetch } from "../../src/client/fetch.ts";
import { createSession } from "../../src/client/index.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { newEmail, password, renew } from "../helpers/http.ts";

const headers = { "content-type": "application/json" };
const body = JSON.stringify({ query: "mutation { endOtherSessions { endedSessions } }" });

it.each<[string, (url: string) => Parameters<typeof fetch>]>([
  ["a URL", (url) => [url, { method: "POST", headers, body }]],
  ["a Request", (url) => [new Request(url, { method: "POST", headers, body })]],
])("asks once more, by %s, for what was refused for its token", async (_, toRequest) => {
  await using curfew = await startCurfew();
  const kept = new Map<string, string>();
  const session = createSession({
    url: curfew.url,
    storage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    },
  });
  await session.register({ email: newEmail(), password });
  // By another, so that the token here is superseded.
  await renew(curfew.url, JSON.parse([...kept.values()][0] ?? "").renewalToken);
  const response = await sessionFetch(session)(...toRequest(curfew.url));
  expect(await response.json()).toEqual({ data: { endOtherSessions: { endedSessions: 0 } } });
  session.dispose();
});
