/** The command that serves, until it is told to stop. */
import { resolve } from "node:path";
import type { Options } from "../config/load.ts";
import { createCurfew, type Curfew } from "../node/create-curfew.ts";
import { envFileWarning } from "./env-file.ts";
import { misused, type Command } from "./command.ts";
import { table, type Fact } from "./report.ts";

export const serveUsage = `Usage: curfew [serve] [options]
Serves GraphQL until it is told to stop.`;

export const serve: Command = async (operands, load) => {
  if (operands.length > 0) return misused(`${serveUsage}\nIt takes no argument.`);
  const options = load();
  let curfew: Curfew;
  try {
    curfew = await createCurfew(options);
  } catch (error) {
    throw explained(error);
  }
  console.error(greeting(curfew, options));
  const stop = () => {
    // The next signal does not wait.
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
  const folder = dataDir === ":memory:" ? "memory, gone at exit" : resolve(dataDir);
  const file = [envFileWarning(".env")].filter((warning) => warning !== undefined);
  const place = (kept: string) => (kept === "SQLite" ? folder : kept);
  const facts: Fact[] = [
    ["  users", place(startup.users)],
    ["  sessions", place(startup.sessions)],
    ["  keys", startup.keys.join(", ")],
    ["  limits", startup.limits.join(", ")],
    ...[...startup.warnings, ...file].map((warning): Fact => ["  warning", warning]),
  ];
  return `Curfew serves GraphQL at ${url}
${table(facts).join("\n")}
${graphiql ? "Open it in a browser, or make an account:" : "Make an account:"}
  curl ${url} -H 'content-type: application/json' -d '{"query":
    "mutation { register(email: \\"ada@example.com\\", password: \\"correct horse battery staple\\") { ... on SignedIn { tokens { accessToken } } ... on InvalidInput { fields { message } } } }"}'`;
}

/** As Node gives it; its types leave the place out. */
interface ListenError extends NodeJS.ErrnoException {
  readonly address: string;
  readonly port: number;
}

/** For the eyes of whoever starts it. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, address, port } = error as Partial<ListenError>;
  if (code !== "EADDRINUSE") return error;
  return new Error(
    `Port ${port} on ${address} is in use: stop what uses it, or set another. Example: PORT=4001`,
  );
}
