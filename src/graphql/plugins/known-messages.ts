/**
 * The messages of graphql-js that a client may see. Many messages quote a value of the request, which may be a
 * password, and their wording is not a contract. So a message is shown only if its shape is known, and without the
 * quoted value. Any other message is hidden.
 */
import { dateTimeProblem } from "../date-time.ts";

/** Characters that are examined. Messages that quote names of ordinary length are shorter. */
const maxKnownLength = 1_000;

/** A quoted name of a field, an argument, a variable, a directive or a type. */
const quotedNames = /"[@$]?[[\w][\w.[\]!]{0,255}"/g;

/** Messages without their quoted names. */
const knownTexts: ReadonlySet<string> = new Set([
  'Cannot query field "" on type "".',
  'Unknown type "".',
  'Unknown fragment "".',
  'Unknown directive "".',
  'Unknown argument "" on field "".',
  'Unknown argument "" on directive "".',
  'Fragment "" is never used.',
  'Fragment "" cannot condition on non composite type "".',
  'Fragment cannot condition on non composite type "".',
  'Fragment "" cannot be spread here as objects of type "" can never be of type "".',
  'Fragment cannot be spread here as objects of type "" can never be of type "".',
  'Cannot spread fragment "" within itself.',
  'Cannot spread fragment "" within itself via "".',
  'Field "" must not have a selection since type "" has no subfields.',
  'Field "" of type "" must have a selection of subfields.',
  'Field "" of type "" must have at least one field selected.',
  'Field "" argument "" of type "" is required, but it was not provided.',
  'Directive "" argument "" of type "" is required, but it was not provided.',
  'Field "" of required type "" was not provided.',
  'Field "" is not defined by type "".',
  'Field "" must be non-null.',
  'OneOf Input Object "" must specify exactly one key.',
  'Exactly one key must be specified for OneOf type "".',
  'Variable "" is of type "" but must be non-nullable to be used for OneOf Input Object "".',
  'Variable "" of type "" used in position expecting type "".',
  'Variable "" cannot be non-input type "".',
  'Variable "" is not defined.',
  'Variable "" is not defined by operation "".',
  'Variable "" is never used.',
  'Variable "" is never used in operation "".',
  'Variable "" of required type "" was not provided.',
  'Variable "" of non-null type "" must not be null.',
  'There can be only one argument named "".',
  'There can be only one variable named "".',
  'There can be only one fragment named "".',
  'There can be only one operation named "".',
  'There can be only one input field named "".',
  'The directive "" can only be used once at this location.',
  'Subscription "" must select only one top level field.',
  "Anonymous Subscription must select only one top level field.",
  'Subscription "" must not select an introspection top level field.',
  "Anonymous Subscription must not select an introspection top level field.",
  "This anonymous operation must be the only defined operation.",
  'The "" definition is not executable.',
  "The schema definition is not executable.",
  "Too many validation errors, error limit reached. Validation aborted.",
  "Validation aborted.",
  'GraphQL introspection has been disabled, but the requested query contained the field "".',
  "Maximum introspection depth exceeded",
  'Expected type "" to be an object.',
  'Expected non-nullable type "" not to be null.',
  'Syntax Error: Unexpected variable "" in constant value.',
  "Syntax Error: Unterminated string.",
  "Syntax Error: Unexpected single quote character ('), did you mean to use a double quote (\")?",
  "Syntax Error: Unexpected description, descriptions are not supported on shorthand queries.",
  "Syntax Error: Unexpected description, only GraphQL definitions support descriptions.",
  dateTimeProblem,
]);

const knownShapes: readonly RegExp[] = [
  /^Directive "" may not be used on [A-Z_]{1,32}\.$/,
  /^Syntax Error: (?:Document|Source) contains more tha[nt] \d{1,12} [\w -]{1,32}\. Parsing aborted\.$/,
  /^Fields "" conflict because (?:(?:subfields "" conflict because|"" and "" are different fields|they have differing arguments|they return conflicting types "" and ""|and),? ?){1,64}\. Use different aliases on the fields to fetch both if this was intentional\.$/,
];

/** The beginnings of messages that then quote a value. Only the first group is shown. */
const openings: readonly RegExp[] = [
  /^(\w{1,128} cannot represent (?:a )?non[\w -]{1,40} value): /,
  /^(Enum "\w{1,256}" cannot represent non-(?:string|enum) value): /,
  /^(Expected value of type "[\w[\]!]{1,256}"), found /,
  // The reason that follows comes from the app, and may quote the value.
  /^(Expected type "[\w[\]!]{1,256}")\. /,
  /^(Syntax Error: Expected (?:[A-Za-z]{1,12}|<EOF>|"[^"]{1,12}"), found (?:[A-Za-z]{1,12}|<EOF>|"[^"\w]{1,3}"))(?: "|\.$)/,
  /^(Syntax Error: Unexpected (?:[A-Za-z]{1,12}|<EOF>|"[^"\w]{1,3}"))(?: "|\.$)/,
  /^(Syntax Error: Unexpected character): /,
  /^(Syntax Error: Invalid character within String): /,
  /^(Syntax Error: Invalid number), /,
  /^(Syntax Error: Invalid (?:Unicode|character) escape sequence): /,
];

const suggestion =
  /^ Did you mean (?:to use an inline fragment on |the enum value )?"\w{1,256}"(?:, "\w{1,256}"){0,4}(?:,? or "\w{1,256}")?\?$/;
const suggesting = " Did you mean ";

/** Returns a message without values of the request, or `undefined` if its shape is unknown. */
export function knownMessage(message: string, withSuggestions: boolean): string | undefined {
  const noSuchValue = withoutValueOfEnum(message);
  if (noSuchValue !== undefined) return noSuchValue;
  const text = message.slice(0, maxKnownLength);
  for (const opening of openings) {
    const [, shown] = opening.exec(text) ?? [];
    if (shown !== undefined) return `${shown}.`;
  }
  if (text.length < message.length) return undefined;
  const end = text.lastIndexOf(suggesting);
  const fact = end === -1 ? text : text.slice(0, end);
  if (!isKnown(fact)) return undefined;
  const suggested = text.slice(fact.length);
  return withSuggestions && suggestion.test(suggested) ? text : fact;
}

function isKnown(fact: string): boolean {
  const shape = fact.replaceAll(quotedNames, '""').replace(/""(?:, ""){1,200}/, '""');
  return (
    knownTexts.has(fact) || knownTexts.has(shape) || knownShapes.some((one) => one.test(shape))
  );
}

/** Handles `Value "…" does not exist in "Color" enum.`, where the enum's name follows a value of any length. */
function withoutValueOfEnum(message: string): string | undefined {
  if (!message.startsWith('Value "')) return undefined;
  const after = message.slice(message.lastIndexOf(' does not exist in "')).slice(0, maxKnownLength);
  const [, name] = /^ does not exist in "(\w{1,256})" enum\./.exec(after) ?? [];
  return name === undefined ? undefined : `The enum "${name}" has no such value.`;
}
