/** GraphQL's own errors quote the values of a request, where a password may stand. These errors do not. */
import { GraphQLError, Kind, type ASTNode, type VariableDefinitionNode } from "graphql";
import type { Plugin } from "graphql-yoga";
import { knownMessage } from "./known-messages.ts";
import { showsLocations } from "./error-locations.ts";

export interface RedactOptions {
  /** Whether a message may name what the client probably meant, and so a part of the schema. */
  readonly suggestions: boolean;
}

/** Redacts the errors of parsing and validation. */
export function useErrorRedaction({ suggestions }: RedactOptions): Plugin {
  return {
    onParse:
      () =>
      ({ result, replaceParseResult }) => {
        if (result instanceof GraphQLError)
          replaceParseResult(redacted(result, suggestions, unreadable));
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
 * The error of a result without data, which is one of a variable, of an operation's name, or of an app's
 * plugin: an app's own error stays as it is.
 */
export function redactRequestError(error: GraphQLError, suggestions: boolean): GraphQLError {
  const { message, originalError } = error;
  if (done.has(error) || isAuthored(error)) return error;
  if (message.startsWith("Unknown operation named"))
    return copyOf(error, "The document has no operation of that name.");
  if (!message.startsWith('Variable "$')) return error;
  const [, variable] = /^Variable "(\$\w{1,256})" got invalid value /.exec(start(message)) ?? [];
  if (variable === undefined) return redacted(error, suggestions, "A variable is not valid.");
  return copyOf(error, invalidValue(variable, "", originalError?.message, suggestions));
}

/**
 * The error of a variable whose value is wrong.
 *
 * @param path from the variable to the value that is wrong
 * @param reason in the words of graphql-js, or of a scalar
 */
export function invalidVariable(
  node: VariableDefinitionNode,
  path: readonly (string | number)[],
  reason: string,
  suggestions: boolean,
): GraphQLError {
  const name = node.variable.name.value;
  const place = path.length === 0 ? "" : ` at "${name}${placeOf(path)}"`;
  const text = invalidValue(`$${name}`, place, reason, suggestions);
  return asRedacted(new GraphQLError(text, { nodes: node }));
}

function invalidValue(
  variable: string,
  place: string,
  reason: string | undefined,
  suggestions: boolean,
): string {
  const why = reason === undefined ? undefined : knownMessage(reason, suggestions);
  return `Variable "${variable}" got an invalid value${place}${why === undefined ? "." : `; ${why}`}`;
}

/** The schema's names, and indices: the path ends where the value does not fit the schema. */
function placeOf(path: readonly (string | number)[]): string {
  const shown = path.slice(0, maxPath);
  const text = shown.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("");
  return shown.length < path.length ? `${text}…` : text;
}

/** Steps. */
const maxPath = 20;

const unreadable = "Syntax Error: The document cannot be read here.";

/** Words, by the kind of what the error is about; "StringValue" is a "string value". */
function notValid({ nodes }: GraphQLError): string {
  const kind = nodes?.[0]?.kind;
  if (kind === undefined) return "The document is not valid.";
  return `This ${kind.replaceAll(/\B[A-Z]/g, " $&").toLowerCase()} is not valid.`;
}

function redacted(error: GraphQLError, suggestions: boolean, otherwise: string): GraphQLError {
  if (done.has(error)) return error;
  const message = isAuthored(error)
    ? start(error.message)
    : (knownMessage(error.message, suggestions) ?? otherwise);
  return copyOf(error, message);
}

/** Without the nodes: the error may be kept for long, and they hold the document. */
function copyOf({ path, extensions, source, positions }: GraphQLError, message: string) {
  const where =
    source !== undefined && positions !== undefined && showsLocations(source.body)
      ? { source, positions: positions.slice(0, maxLocations) }
      : {};
  return asRedacted(new GraphQLError(message, { ...where, path, extensions }));
}

/** Of one error. */
const maxLocations = 10;

/** Errors that are kept are seen again. */
const done = new WeakSet<GraphQLError>();

function asRedacted(error: GraphQLError): GraphQLError {
  done.add(error);
  return error;
}

const ownCodes = new Set<unknown>([
  undefined,
  // Yoga gives these to all errors of parsing and validation.
  "GRAPHQL_PARSE_FAILED",
  "GRAPHQL_VALIDATION_FAILED",
]);
const values = new Set<string>([
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
 * Whether it has a code, which graphql-js gives to no error: its message was written for clients, by Curfew or
 * by a rule of the app. A scalar's error may have one too, and quote its value.
 */
function isAuthored({ extensions, nodes }: GraphQLError): boolean {
  return !ownCodes.has(extensions["code"]) && !nodes?.some(isValue);
}

function isValue({ kind }: ASTNode): boolean {
  return values.has(kind);
}

function start(message: string): string {
  return message.slice(0, maxMessage);
}

/** Characters. */
const maxMessage = 1_000;
