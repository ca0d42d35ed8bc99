/** The command that serves: settings from the environment, until it is told to stop. */
import { resolve } from "node:path";
import { loadOptions, type Options } from "./config/config.ts";
import { redisAddress } from "./parts.ts";
import { createCurfew } from "./server.ts";

try {
  const options = loadOptions(process.env);
  const curfew = await createCurfew(options);
  console.error(greeting(curfew.url, options));
  const stop = () => {
    // The next signal does not wait.
    process.off("SIGTERM", stop).off("SIGINT", stop);
    curfew.close().catch(fail);
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
} catch (error) {
  fail(error);
}

function greeting(url: string, options: Options): string {
  const { dataDir, databaseUrl, graphiql } = options;
  const folder = dataDir === ":memory:" ? "memory, gone at exit" : resolve(dataDir);
  return `Curfew serves GraphQL at ${url}
  users     ${databaseUrl === undefined ? folder : "PostgreSQL"}
  sessions  ${redisAddress(options) === undefined ? folder : "Redis"}
${graphiql ? "Open it in a browser, or make an account:" : "Make an account:"}
  curl ${url} -H 'content-type: application/json' -d '{"query":
    "mutation { register(email: \\"ada@example.com\\", password: \\"correct horse battery staple\\") { ... on SignedIn { tokens { accessToken } } ... on InvalidInput { fields { message } } } }"}'`;
}

/** For the eyes of whoever starts it: without a stack, which says nothing about settings. */
function fail(error: unknown): void {
  console.error(explain(error));
  process.exitCode = 1;
}

/** As Node gives it; its types leave the place out. */
interface ListenError extends NodeJS.ErrnoException {
  readonly address: string;
  readonly port: number;
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, address, port } = error as Partial<ListenError>;
  if (code !== "EADDRINUSE") return error.message;
  return `Port ${port} on ${address} is in use: stop what uses it, or set another. Example: PORT=4001`;
}
