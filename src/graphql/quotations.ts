/** GraphQL's own errors quote the values of a request, where a password may stand: here they do not. */
import { GraphQLError } from "graphql";
import type { Plugin } from "graphql-yoga";

/** Of what cannot be parsed or is not valid; wrong variables are found by whoever runs it. */
export const withoutQuotations: Plugin = {
  onParse:
    () =>
    ({ result, replaceParseResult }) => {
      if (result instanceof GraphQLError) replaceParseResult(unquoted(result));
    },
  onValidate:
    () =>
    ({ result, setResult }) => {
      if (result.length > 0) setResult((result as readonly GraphQLError[]).map(unquoted));
    },
};

/** The same error, without what the request said. */
export function unquoted(error: GraphQLError): GraphQLError {
  const message = messageOf(error);
  if (message === error.message) return error;
  const { nodes, source, positions, path, extensions } = error;
  return new GraphQLError(message, { nodes: nodes ?? null, source, positions, path, extensions });
}

/** Names stay, which say what is wrong; what was given goes. */
function messageOf({ message, originalError }: GraphQLError): string {
  const variable = /^(Variable "\$\w+") got invalid value /.exec(message)?.[1];
  if (variable === undefined) return withoutValue(message);
  const reason = originalError === undefined ? "" : `; ${withoutValue(originalError.message)}`;
  return `${variable} got an invalid value${reason}`;
}

function withoutValue(message: string): string {
  return message
    .replace(/( cannot represent (?:a )?non[\w -]* value): [^]*$/, "$1.")
    .replace(/^(Expected value of type "[^"]*"), found [^]*$/, "$1.")
    .replace(/^Value "[^]*" does not exist in ("\w+" enum)[^]*$/, "Another value belongs in $1.")
    .replace(
      /^(Syntax Error: .*?(?:found|Unexpected) (?:(?:Block)?String|Int|Float)) "[^]*$/,
      "$1.",
    )
    .replace(/^(Syntax Error: Invalid (?:Unicode|character) escape sequence): [^]*$/, "$1.");
}
