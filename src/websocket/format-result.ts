/** Formats results and errors for the messages of graphql-transport-ws. */
import type {
  ExecutionResult,
  FormattedExecutionResult,
  GraphQLError,
  GraphQLFormattedError,
} from "graphql";

/** A result as graphql-ws passes it, with absent fields undefined. */
type HookResult = { [Field in keyof ExecutionResult]: ExecutionResult[Field] | undefined };

/** Undefined when graphql-ws may send the result as it is. */
export function formatResult({
  errors,
  ...rest
}: HookResult): FormattedExecutionResult | undefined {
  if (errors === undefined) return undefined;
  // JSON leaves out undefined fields. Results of incremental delivery have more fields than the type.
  return { ...rest, errors: errors.map(formatError) } as FormattedExecutionResult;
}

/** Leaves out the extensions that Yoga sets for its own HTTP responses. */
export function formatError(error: GraphQLError | GraphQLFormattedError): GraphQLFormattedError {
  // A plugin may have cached the result as JSON.
  const { extensions, ...rest } = "toJSON" in error ? error.toJSON() : error;
  if (extensions === undefined) return rest;
  const { http: _http, unexpected: _unexpected, ...shown } = extensions;
  return { ...rest, extensions: shown };
}
