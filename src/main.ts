/** The command that serves: settings from the environment, until it is told to stop. */
import { resolve } from "node:path";
import { loadOptions } from "./config/config.ts";
import { createCurfew } from "./server.ts";

try {
  const options = loadOptions(process.env);
  const curfew = await createCurfew(options);
  const { url } = curfew;
  const where = options.dataDir === ":memory:" ? "memory, gone at exit" : resolve(options.dataDir);
  console.error(`Curfew serves GraphQL at ${url}
  users     ${where}
  sessions  ${options.redisUrl === undefined ? where : "Redis"}
${options.graphiql ? `Open it in a browser, or make the first account:` : `Make the first account:`}
  curl ${url} -H 'content-type: application/json' -d '{"query":
    "mutation { register(email: \\"ada@example.com\\", password: \\"correct horse battery\\") { ... on SignedIn { tokens { accessToken } } ... on Problem { message } } }"}'`);
  const stop = () => {
    curfew.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.once("SIGTERM", stop).once("SIGINT", stop);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
