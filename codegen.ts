/** How the types of the public schema are made: `npm run codegen`. */
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
        // An answer has all its fields; an argument may be left out.
        avoidOptionals: { field: true, object: true },
        maybeValue: "T | null",
        // A member of a union says which one it is, so that no type has to be guessed.
        resolversNonOptionalTypename: { unionMember: true },
      },
    },
  },
};

export default config;
