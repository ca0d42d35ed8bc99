/** The client holds to its properties, and each of its safeguards is needed for one of them. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSession } from "../../src/client/session.ts";
import { newFolder } from "../helpers/command.ts";
import { hold, properties, type Name } from "./properties.ts";

const names = Object.keys(properties) as Name[];

describe("a session", () => {
  it.each(names)("%s", (name) => hold(name, createSession));
});

interface Mutant {
  readonly safeguard: string;
  readonly file: string;
  /** What the safeguard is in the source, and what stands there without it. */
  readonly from: string;
  readonly to: string;
  readonly breaks: Name;
}

const mutants: readonly Mutant[] = [
  {
    safeguard: "the lock over all tabs",
    file: "tabs.ts",
    from: "if (locks === undefined) return task();",
    to: "return task();",
    breaks: "never has two renewals in flight, over all tabs",
  },
  {
    safeguard: "a look at what the other tabs have done, before one renews",
    file: "token-state.ts",
    from: "await askTabs(times.syncTimeout);",
    to: "",
    breaks: "renews once a period, over all tabs",
  },
  {
    safeguard: "a clock that goes on in sleep",
    file: "platform.ts",
    from: "Math.max(wallNow - wall, steadyNow - steady, 0)",
    to: "steadyNow - steady",
    breaks: "never gives out a token that has run out, though the machine sleeps",
  },
  {
    safeguard: "a clock that cannot be set",
    file: "platform.ts",
    from: "Math.max(wallNow - wall, steadyNow - steady, 0)",
    to: "wallNow - wall",
    breaks: "never gives out a token that has run out, though the clock is set",
  },
  {
    safeguard: "a look at the token's age when it is given out",
    file: "token-state.ts",
    from: "tokens.accessToken !== rejected && clock() < tokens.expiresAt",
    to: "tokens.accessToken !== rejected",
    breaks: "never gives out a token that has run out, though the machine sleeps",
  },
  {
    safeguard: "a bound on what a refused token signs out",
    file: "token-state.ts",
    from: "return drop(message.sessionId, message.reason, message.generation);",
    to: "return drop(message.sessionId, message.reason);",
    breaks: "keeps all tabs signed in when the password is changed in one, without locks",
  },
  {
    safeguard: "a pair that stays while it is replaced",
    file: "token-state.ts",
    from: "if (isReplacing && message.generation !== undefined) return;",
    to: "",
    breaks: "keeps all tabs signed in when the password is changed in one, without locks",
  },
  {
    safeguard: "the server's own count of generations",
    file: "session.ts",
    from: "const generation = generationOf(tokens.accessToken, before.generation + 1);",
    to: "const generation = before.generation + 1;",
    breaks: "keeps all tabs signed in when the password is changed in one, without locks",
  },
  {
    safeguard: "patience with the network",
    file: "session.ts",
    from: "return { error: error as RequestFailed };",
    to: 'return void tokenState.signOut(before.sessionId, "EXPIRED");',
    breaks: "is never signed out but by a refusal",
  },
  {
    safeguard: "patience with a server that wants fewer attempts",
    file: "session.ts",
    from: "return { error, retryAfter: result.retryAfterSeconds * 1_000 };",
    to: 'return void tokenState.signOut(before.sessionId, "EXPIRED");',
    breaks: "is never signed out but by a refusal",
  },
  {
    safeguard: "a time limit that leaves time for a second attempt",
    file: "session.ts",
    from: "renewal: 3_000,",
    to: "renewal: 12_000,",
    breaks:
      "keeps its session through short outages, and through answers that are lost one at a time",
  },
  {
    safeguard: "a second attempt at once",
    file: "retry.ts",
    from: "await delay(failure.retryAfter ?? backoff(failures, random));",
    to: "await delay(15_000);",
    breaks:
      "keeps its session through short outages, and through answers that are lost one at a time",
  },
];

describe("without", () => {
  it.each(mutants)("$safeguard it does not: $breaks", async ({ file, from, to, breaks }) => {
    await using folder = await newFolder();
    for (const name of ["client", "protocol"])
      await cp(join(import.meta.dirname, "../../src", name), join(folder.path, name), {
        recursive: true,
      });
    const client = join(folder.path, "client");
    // It extends a file that does not exist there.
    await rm(join(client, "tsconfig.json"));
    const source = await readFile(join(client, file), "utf8");
    expect(source.split(from)).toHaveLength(2);
    await writeFile(join(client, file), source.replace(from, to));
    const mutant = (await import(join(client, "session.ts"))) as {
      readonly createSession: typeof createSession;
    };
    const held = hold(breaks, mutant.createSession, { endOnFailure: true, numRuns: 3_000 });
    await expect(held).rejects.toThrow("Property failed");
  });
});
