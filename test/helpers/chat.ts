/** The example chat as it stands, a process of its own; `npm test` has built the package and the page that it serves. */
import { join } from "node:path";
import { Command, type Env } from "./command.ts";

const file = join(import.meta.dirname, "../../examples/chat/server.ts");

const secrets = "a secret of this test run of 32 bytes or more";

/** A line of the audit trail. */
export interface Fact {
  readonly event: string;
  readonly fingerprint: string;
  /** Epoch milliseconds. */
  readonly time: number;
}

/** On any free port, unless one is said. */
export async function startChat(given: Env) {
  const env = { PORT: "0", CURFEW_SECRETS: secrets, ...given };
  const server = new Command([], env, undefined, file);
  const greeting = await server.printed(/The chat is at \S+/);
  const stop = (signal: NodeJS.Signals) => {
    server.child.kill(signal);
    return server.ended;
  };
  const { port } = new URL(/http:\S+/.exec(greeting)?.[0] ?? "");
  return {
    port: Number(port),
    url: `http://127.0.0.1:${port}/graphql`,
    socketUrl: `ws://127.0.0.1:${port}/graphql`,
    facts(event: string): Fact[] {
      const lines = server.output.split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line) as Fact).filter((fact) => fact.event === event);
    },
    stop,
    [Symbol.asyncDispose]: async () => void (await stop("SIGKILL")),
  };
}
