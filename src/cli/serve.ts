/** The command `serve`: runs the server until it receives SIGTERM or SIGINT. */
import { resolve } from "node:path";
import type { Options } from "../config/load.ts";
import { createCurfew, type Curfew } from "../node/create-curfew.ts";
import { envFileWarning } from "./env-file.ts";
import { misused, type Command } from "./command.ts";
import { formatTable, type Fact } from "./report.ts";

export const serveUsage = `Usage: curfew [serve] [options]
Serves GraphQL until it receives a signal to stop.`;

export const serve: Command = async (operands, load) => {
  if (operands.length > 0) return misused(`${serveUsage}\nThe command takes no argument.`);
  const options = load();
  let curfew: Curfew;
  try {
    curfew = await createCurfew(options);
  } catch (error) {
    throw startError(error);
  }
  console.error(greeting(curfew, options));
  const stop = () => {
    // A second signal ends the process at once.
    process.off("SIGTERM", stop).off("SIGINT", stop);
    curfew.close().catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    });
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  return 0;
};

function greeting({ url, startup }: Curfew, { dataDir, graphiql }: Options): string {
  const folder = dataDir === ":memory:" ? "memory, lost at exit" : resolve(dataDir);
  const fileWarnings = [envFileWarning(".env")].filter((warning) => warning !== undefined);
  const location = (backend: string) => (backend === "SQLite" ? folder : backend);
  const facts: Fact[] = [
    ["  users", location(startup.users)],
    ["  sessions", location(startup.sessions)],
    ["  keys", startup.keys.join(", ")],
    ["  limits", startup.limits.join(", ")],
    ...[...startup.warnings, ...fileWarnings].map((warning): Fact => ["  warning", warning]),
  ];
  return `Curfew serves GraphQL at ${url}
${formatTable(facts).join("\n")}
${graphiql ? "Open it in a browser, or register an account:" : "Register an account:"}
  curl ${url} -H 'content-type: application/json' -d '{"query":
    "mutation { register(email: \\"ada@example.com\\", password: \\"correct horse battery staple\\") { ... on SignedIn { tokens { accessToken } } ... on InvalidInput { fields { message } } } }"}'`;
}

/** Node's error of `listen`, whose types lack the address and the port. */
interface ListenError extends NodeJS.ErrnoException {
  readonly address: string;
  readonly port: number;
}

/** Explains an error of the start to the operator. */
function startError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, address, port } = error as Partial<ListenError>;
  if (code !== "EADDRINUSE") return error;
  return new Error(
    `Port ${port} on ${address} is in use: stop the process that uses it, or set another port. Example: PORT=4001`,
  );
}
