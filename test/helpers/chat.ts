/** Starts the example chat as a process; `npm test` has built the package and the page that it serves. */
import { join } from "node:path";
import { Command, type Env } from "./command.ts";

const file = join(import.meta.dirname, "../../examples/chat/server.ts");

const secrets = "a secret of this test run of 32 bytes or more";

/** A line of the audit log. */
export interface Fact {
  readonly event: string;
  readonly fingerprint: string;
  /** Epoch milliseconds. */
  readonly time: number;
}

/** Listens on a free port unless `PORT` is given. */
export async function startChat(overrides: Env) {
  const env = { PORT: "0", CURFEW_SECRETS: secrets, ...overrides };
  const server = new Command([], env, undefined, file);
  const startupReport = await server.printed(/The chat is at \S+/);
  const stop = (signal: NodeJS.Signals) => {
    server.child.kill(signal);
    return server.ended;
  };
  const { port } = new URL(/http:\S+/.exec(startupReport)?.[0] ?? "");
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
