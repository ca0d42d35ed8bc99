/** The client has its properties, and a mutant without any one safeguard violates one of them. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSession } from "../../src/client/session.ts";
import { newFolder } from "../helpers/command.ts";
import { assertProperty, properties, type Name } from "./properties.ts";

const names = Object.keys(properties) as Name[];

describe("a session", () => {
  it.each(names)("%s", (name) => assertProperty(name, createSession));
});

interface Mutant {
  readonly safeguard: string;
  readonly file: string;
  /** The source of the safeguard, and its replacement in the mutant. */
  readonly from: string;
  readonly to: string;
  readonly breaks: Name;
}

const mutants: readonly Mutant[] = [
  {
    safeguard: "the lock across all tabs",
    file: "tabs.ts",
    from: "if (locks === undefined) return task();",
    to: "return task();",
    breaks: "never has two renewals in flight across all tabs",
  },
  {
    safeguard: "the sync with other tabs before a renewal",
    file: "token-state.ts",
    from: "await askTabs(times.syncTimeout);",
    to: "",
    breaks: "renews once per period across all tabs",
  },
  {
    safeguard: "a clock that counts during sleep",
    file: "platform.ts",
    from: "Math.max(wallNow - wall, steadyNow - steady, 0)",
    to: "steadyNow - steady",
    breaks: "never returns an expired token after the machine slept",
  },
  {
    safeguard: "a clock that the user cannot set",
    file: "platform.ts",
    from: "Math.max(wallNow - wall, steadyNow - steady, 0)",
    to: "wallNow - wall",
    breaks: "never returns an expired token after the clock was set",
  },
  {
    safeguard: "the expiry check when a token is returned",
    file: "token-state.ts",
    from: "tokens.accessToken !== rejected && clock() < tokens.expiresAt",
    to: "tokens.accessToken !== rejected",
    breaks: "never returns an expired token after the machine slept",
  },
  {
    safeguard: "the generation limit of a sign-out after a refused token",
    file: "token-state.ts",
    from: "return drop(message);",
    to: "return drop({ ...message, generation: Infinity });",
    breaks: "keeps all tabs signed in when the password is changed in one, without locks",
  },
  {
    safeguard: "tokens that stay while they are replaced",
    file: "token-state.ts",
    from: "if (isReplacing && message.generation !== undefined) return;",
    to: "",
    breaks: "keeps all tabs signed in when the password is changed in one, without locks",
  },
  {
    safeguard: "the generation from the token",
    file: "session.ts",
    from: "const generation = generationOf(tokens.accessToken, before.generation + 1);",
    to: "const generation = before.generation + 1;",
    breaks: "keeps all tabs signed in when the password is changed in one, without locks",
  },
  {
    safeguard: "retries after network failures",
    file: "session.ts",
    from: "return { error: error as RequestFailed };",
    to: 'return void tokenState.signOut(before.sessionId, "EXPIRED");',
    breaks: "is signed out only by a refusal",
  },
  {
    safeguard: "retries after a rate limit",
    file: "session.ts",
    from: "return { error, retryAfter: result.retryAfterSeconds * 1_000 };",
    to: 'return void tokenState.signOut(before.sessionId, "EXPIRED");',
    breaks: "is signed out only by a refusal",
  },
  {
    safeguard: "a timeout short enough for a second attempt",
    file: "session.ts",
    from: "renewal: 3_000,",
    to: "renewal: 12_000,",
    breaks: "survives short outages and single lost responses",
  },
  {
    safeguard: "an early second attempt",
    file: "retry.ts",
    from: "await delay(failure.retryAfter ?? backoff(failures, random));",
    to: "await delay(15_000);",
    breaks: "survives short outages and single lost responses",
  },
];

describe("a session", () => {
  it.each(mutants)("without $safeguard violates: $breaks", async ({ file, from, to, breaks }) => {
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
    const outcome = assertProperty(breaks, mutant.createSession, {
      endOnFailure: true,
      numRuns: 3_000,
    });
    await expect(outcome).rejects.toThrow("Property failed");
  });
});
