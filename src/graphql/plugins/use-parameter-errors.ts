/** Answers parameters that cannot be read as the client's fault, and repeats nothing of them. */
import { GraphQLError } from "graphql";
import type { Plugin } from "graphql-yoga";

/**
 * Yoga takes broken JSON in a URL for an error of the server's, and of a broken body it quotes the place,
 * where a password may stand.
 */
export const useParameterErrors: Plugin = {
  onRequestParse: ({ requestParser, setRequestParser }) => {
    if (requestParser === undefined) return;
    setRequestParser(async (request) => {
      try {
        return await requestParser(request);
      } catch (error) {
        throw withoutQuotation(error);
      }
    });
  },
};

function withoutQuotation(error: unknown): unknown {
  if (error instanceof SyntaxError)
    return badRequest("The parameters `variables` and `extensions` must be JSON.");
  const isQuoted = error instanceof GraphQLError && "originalError" in error.extensions;
  return isQuoted ? badRequest("The body must be JSON.") : error;
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: "BAD_REQUEST", http: { status: 400 } },
  });
}
