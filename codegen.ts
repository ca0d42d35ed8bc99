/** Configures `npm run codegen`, which generates the types of the public schema. */
import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "schema/*.graphql",
  importExtension: ".ts",
  hooks: { afterAllFileWrite: "prettier --write" },
  generates: {
    "src/graphql/generated.ts": {
      plugins: ["typescript", "typescript-resolvers"],
      config: {
        useTypeImports: true,
        immutableTypes: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: {
          ID: "string",
          // Resolvers return epoch milliseconds; the scalar writes them as ISO 8601.
          DateTime: "number",
        },
        contextType: "./context.ts#CurfewContext",
        mappers: {
          Session: "./context.ts#SessionView",
          SessionEvent: "../session/watch.ts#SessionEvent as SessionHappening",
          TokenPair: "../session/sessions.ts#Issued",
          User: "../users/directory.ts#User as UserRecord",
          Viewer: "../session/session.ts#Session as ViewerSession",
        },
        // A result has all its fields; an argument may be omitted.
        avoidOptionals: { field: true, object: true },
        maybeValue: "T | null",
        // A member of a union names its type, so that the executor does not have to guess it.
        resolversNonOptionalTypename: { unionMember: true },
      },
    },
  },
};

export default config;
