/** Removes values of the request from the errors of graphql-js, because a value may be a password. */
import { GraphQLError, Kind, type ASTNode, type VariableDefinitionNode } from "graphql";
import type { Plugin } from "graphql-yoga";
import { knownMessage } from "./known-messages.ts";
import { showsLocations } from "./error-locations.ts";

export interface RedactOptions {
  /** Whether a message may suggest similar names of the schema. */
  readonly suggestions: boolean;
}

/** A Yoga plugin that redacts the errors of parsing and validation. */
export function useErrorRedaction({ suggestions }: RedactOptions): Plugin {
  return {
    onParse:
      () =>
      ({ result, replaceParseResult }) => {
        if (result instanceof GraphQLError)
          replaceParseResult(redacted(result, suggestions, syntaxError));
      },
    onValidate:
      () =>
      ({ result, setResult }) => {
        const errors = result as readonly GraphQLError[];
        if (errors.length === 0) return;
        setResult(errors.map((error) => redacted(error, suggestions, notValid(error))));
      },
  };
}

/**
 * Redacts an error of a result without `data`: an error of a variable or of the operation's name. Errors of an app's
 * plugins are returned unchanged.
 */
export function redactRequestError(error: GraphQLError, suggestions: boolean): GraphQLError {
  const { message, originalError } = error;
  if (redactedErrors.has(error) || isAuthored(error)) return error;
  if (message.startsWith("Unknown operation named"))
    return copyOf(error, "The document has no operation with that name.");
  if (!message.startsWith('Variable "$')) return error;
  const [, variable] = /^Variable "(\$\w{1,256})" got invalid value /.exec(truncate(message)) ?? [];
  if (variable === undefined) return redacted(error, suggestions, "A variable is not valid.");
  return copyOf(error, invalidValue(variable, "", originalError?.message, suggestions));
}

/**
 * Creates the error of a variable with an invalid value.
 *
 * @param path from the variable to the invalid value
 * @param reason the message of graphql-js or of a scalar
 */
export function invalidVariable(
  node: VariableDefinitionNode,
  path: readonly (string | number)[],
  reason: string,
  suggestions: boolean,
): GraphQLError {
  const name = node.variable.name.value;
  const position = path.length === 0 ? "" : ` at "${name}${writtenPath(path)}"`;
  const text = invalidValue(`$${name}`, position, reason, suggestions);
  return asRedacted(new GraphQLError(text, { nodes: node }));
}

function invalidValue(
  variable: string,
  position: string,
  reason: string | undefined,
  suggestions: boolean,
): string {
  const shown = reason === undefined ? undefined : knownMessage(reason, suggestions);
  return `Variable "${variable}" got an invalid value${position}${shown === undefined ? "." : `; ${shown}`}`;
}

/** Writes a path. It has only names of the schema and indices, because it ends where the value violates the schema. */
function writtenPath(path: readonly (string | number)[]): string {
  const shown = path.slice(0, maxPath);
  const text = shown.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("");
  return shown.length < path.length ? `${text}…` : text;
}

/** Steps of a path that are shown. */
const maxPath = 20;

const syntaxError = "Syntax Error: The document cannot be read here.";

/** Describes a validation error by the kind of its node: `StringValue` becomes "string value". */
function notValid({ nodes }: GraphQLError): string {
  const kind = nodes?.[0]?.kind;
  if (kind === undefined) return "The document is not valid.";
  return `This ${kind.replaceAll(/\B[A-Z]/g, " $&").toLowerCase()} is not valid.`;
}

function redacted(error: GraphQLError, suggestions: boolean, otherwise: string): GraphQLError {
  if (redactedErrors.has(error)) return error;
  const message = isAuthored(error)
    ? truncate(error.message)
    : (knownMessage(error.message, suggestions) ?? otherwise);
  return copyOf(error, message);
}

/** Copies an error without its nodes, which would retain the document as long as the error is cached. */
function copyOf({ path, extensions, source, positions }: GraphQLError, message: string) {
  const where =
    source !== undefined && positions !== undefined && showsLocations(source.body)
      ? { source, positions: positions.slice(0, maxLocations) }
      : {};
  return asRedacted(new GraphQLError(message, { ...where, path, extensions }));
}

/** Locations of one error. */
const maxLocations = 10;

/** Cached errors pass the plugin again. */
const redactedErrors = new WeakSet<GraphQLError>();

function asRedacted(error: GraphQLError): GraphQLError {
  redactedErrors.add(error);
  return error;
}

/** The codes of errors that graphql-js created. */
const graphqlCodes = new Set<unknown>([
  undefined,
  // Yoga gives these to all errors of parsing and validation.
  "GRAPHQL_PARSE_FAILED",
  "GRAPHQL_VALIDATION_FAILED",
]);
const valueKinds = new Set<string>([
  Kind.VARIABLE,
  Kind.INT,
  Kind.FLOAT,
  Kind.STRING,
  Kind.BOOLEAN,
  Kind.NULL,
  Kind.ENUM,
  Kind.LIST,
  Kind.OBJECT,
]);

/**
 * Whether Curfew or a validation rule of the app wrote the message for clients: such errors have a code, and those of
 * graphql-js have none. Errors at a value do not count, because a scalar's error may have a code and quote the value.
 */
function isAuthored({ extensions, nodes }: GraphQLError): boolean {
  return !graphqlCodes.has(extensions["code"]) && !nodes?.some(isValue);
}

function isValue({ kind }: ASTNode): boolean {
  return valueKinds.has(kind);
}

function truncate(message: string): string {
  return message.slice(0, maxMessageLength);
}

/** Characters of a message. */
const maxMessageLength = 1_000;
