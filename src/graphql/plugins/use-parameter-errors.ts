/** Reports unreadable request parameters as client errors, without quoting them. */
import { GraphQLError } from "graphql";
import type { Plugin } from "graphql-yoga";
import type { ErrorCode } from "../../protocol/error-codes.ts";

/**
 * A Yoga plugin. Without it, Yoga reports malformed JSON in a URL as a server error, and quotes a part of a malformed
 * body, which may contain a password.
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
    extensions: { code: "BAD_REQUEST" satisfies ErrorCode, http: { status: 400 } },
  });
}
