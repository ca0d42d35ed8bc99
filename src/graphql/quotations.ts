/** GraphQL's own errors quote the values of a request, where a password may stand: here they do not. */
import { GraphQLError } from "graphql";
import type { Plugin } from "graphql-yoga";

/** Of what cannot be parsed, is not valid or has wrong variables; resolvers' errors are theirs. */
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
  onExecute: () => ({ onExecuteDone: unquote }),
  onSubscribe: () => ({ onSubscribeResult: unquote }),
};

interface Done {
  readonly result: unknown;
  readonly setResult: (result: { errors: readonly GraphQLError[] }) => void;
}

/** Without data nothing was executed: the errors are of the variables. */
function unquote({ result, setResult }: Done): void {
  if (typeof result !== "object" || result === null || "data" in result) return;
  if (!("errors" in result) || !Array.isArray(result.errors)) return;
  const errors = result.errors as readonly GraphQLError[];
  setResult({ ...result, errors: errors.map(unquoted) });
}

function unquoted(error: GraphQLError): GraphQLError {
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
    .replace(/^(Syntax Error: [^"]*(?:String|Int|Float)) "[^]*$/, "$1.");
}
