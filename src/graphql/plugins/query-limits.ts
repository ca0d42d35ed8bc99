/**
 * Limits the size and cost of documents. The check depends only on the text and the schema, so the result is cached
 * with the document.
 */
import {
  GraphQLError,
  isCompositeType,
  isListType,
  isNonNullType,
  getNamedType,
  Kind,
  parse,
  validate,
  visit,
  type DefinitionNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLOutputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from "graphql";
import type { Plugin } from "graphql-yoga";
import { tooComplex } from "../errors.ts";
import { showsLocations } from "./error-locations.ts";
import { hasTooManyOverlaps } from "./overlapping-fields.ts";

/** The measures of one operation. A fragment counts wherever it is spread. */
interface Size {
  /** Levels of nested fields. */
  depth: number;
  aliases: number;
  directives: number;
  /** Fields of the response if each of its lists has ten items. */
  cost: number;
}

/** The limits of one document. */
export interface QueryLimits {
  /** Names, values and punctuation marks of the whole document. */
  readonly maxQueryTokens: number;
  readonly maxQueryDepth: number;
  readonly maxQueryAliases: number;
  readonly maxQueryDirectives: number;
  readonly maxQueryCost: number;
}

const limitOf = {
  depth: "maxQueryDepth",
  aliases: "maxQueryAliases",
  directives: "maxQueryDirectives",
  cost: "maxQueryCost",
} as const satisfies Record<keyof Size, keyof QueryLimits>;

const listLength = 10;
/** Characters. graphql-js quotes names in its errors and searches for similar names, which is slow for long ones. */
const maxNameLength = 255;
/** Validation of a document stops after this many errors. */
const maxValidationErrors = 10;
/** Pairs of fields, or of fragments, that the validation rule on overlapping fields may compare. */
const maxComparisons = 50_000;

export interface QueryLimitsOptions {
  readonly limits: QueryLimits;
  /** Whether an error may suggest similar names of the schema. */
  readonly suggestions: boolean;
}

/** A Yoga plugin that enforces the limits. They hold on sockets too, because one pipeline runs all operations. */
export function useQueryLimits({ limits, suggestions }: QueryLimitsOptions): Plugin {
  const limitedParse: typeof parse = (source, options) => {
    try {
      const text = typeof source === "string" ? source : source.body;
      const noLocation = options?.noLocation === true || !showsLocations(text);
      return parse(source, { ...options, noLocation, maxLexicalTokens: limits.maxQueryTokens });
    } catch (error) {
      throw documentError(error, limits);
    }
  };
  /** Checks the limits before the validation rules of GraphQL, some of which are slow for large documents. */
  const limitedValidate: typeof validate = (schema, document, rules, options, ...more) => {
    try {
      const excesses = excessesOf(schema, document, limits);
      if (excesses.length > 0) return excesses;
      const bounded = { maxErrors: maxValidationErrors, ...options, hideSuggestions: !suggestions };
      return validate(schema, document, rules, bounded, ...more);
    } catch (error) {
      return [documentError(error, limits)];
    }
  };
  return {
    onParse: ({ setParseFn }) => setParseFn(limitedParse),
    onValidate: ({ setValidationFn }) => setValidationFn(limitedValidate),
  };
}

/** @throws an error that the document did not cause */
function documentError(error: unknown, { maxQueryTokens }: QueryLimits): GraphQLError {
  // The call stack overflowed, as for thousands of nested values.
  if (error instanceof RangeError) return tooComplex("The document is nested too deeply.");
  if (!(error instanceof GraphQLError)) throw error;
  return error.message.endsWith("tokens. Parsing aborted.")
    ? tooComplex(`The document has more than the ${maxQueryTokens} tokens that are allowed.`)
    : error;
}

const measureNames = {
  depth: "levels of fields",
  aliases: "aliases",
  directives: "directives",
  cost: "fields (ten times those in a list)",
} as const satisfies Record<keyof Size, string>;

function excessesOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  limits: QueryLimits,
): GraphQLError[] {
  if (hasLongName(document))
    return [tooComplex(`A name of the document has more than ${maxNameLength} characters.`)];
  const sizes = new Sizes(schema, document);
  const excesses: GraphQLError[] = [];
  // Fragments that no operation spreads are refused by a validation rule.
  for (const operation of document.definitions.filter(isOperation)) {
    excesses.push(...excessesOfOne(operation, sizes.of(operation), limits));
    // Each error counts the lines before it, and a document may have hundreds of operations.
    if (excesses.length >= maxValidationErrors) return excesses.slice(0, maxValidationErrors);
  }
  if (excesses.length > 0 || !hasTooManyOverlaps(document, maxComparisons)) return excesses;
  return [
    tooComplex("The document selects the same fields, or spreads fragments, too many times."),
  ];
}

function excessesOfOne(
  operation: OperationDefinitionNode,
  size: Size,
  limits: QueryLimits,
): GraphQLError[] {
  const name = operation.name === undefined ? "" : ` ${operation.name.value}`;
  return (["depth", "aliases", "directives", "cost"] as const)
    .filter((measure) => size[measure] > limits[limitOf[measure]])
    .map((measure) => {
      const has = `The operation${name} has ${figure(size[measure])} ${measureNames[measure]}`;
      return tooComplex(`${has}; at most ${limits[limitOf[measure]]} are allowed.`, operation);
    });
}

function hasLongName(document: DocumentNode): boolean {
  let isLong = false;
  const check = ({ value }: { readonly value: string }) => {
    isLong ||= value.length > maxNameLength;
  };
  visit(document, { Name: check, EnumValue: check });
  return isLong;
}

/** Nested fragments can double a measure at each level. */
function figure(number: number): string {
  return number > 1e9 ? "over a billion" : String(number);
}

function isOperation(node: DefinitionNode): node is OperationDefinitionNode {
  return node.kind === Kind.OPERATION_DEFINITION;
}

/** Measures operations. Each fragment is measured once, however often it is spread. */
class Sizes {
  readonly #schema: GraphQLSchema;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #known = new Map<string, Size>();

  constructor(schema: GraphQLSchema, { definitions }: DocumentNode) {
    this.#schema = schema;
    for (const definition of definitions)
      if (definition.kind === Kind.FRAGMENT_DEFINITION)
        this.#fragments.set(definition.name.value, definition);
  }

  of(operation: OperationDefinitionNode): Size {
    const { selectionSet, directives, variableDefinitions } = operation;
    const type = this.#schema.getRootType(operation.operation);
    const size = this.#ofSelections(selectionSet, type?.name);
    size.directives += lengthOf(directives);
    for (const variable of variableDefinitions ?? [])
      size.directives += lengthOf(variable.directives);
    return size;
  }

  #ofFragment(name: string): Size {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    // Validation rules refuse a fragment that does not exist or spreads itself.
    const size = zeroSize();
    this.#known.set(name, size);
    if (fragment === undefined) return size;
    addSize(size, this.#ofSelections(fragment.selectionSet, fragment.typeCondition.name.value));
    size.directives += lengthOf(fragment.directives);
    return size;
  }

  /** @param type the name of the parent type */
  #ofSelections({ selections }: SelectionSetNode, type: string | undefined): Size {
    const size = zeroSize();
    for (const selection of selections) {
      addSize(size, this.#ofSelection(selection, type));
      size.directives += lengthOf(selection.directives);
    }
    return size;
  }

  #ofSelection(selection: SelectionNode, type: string | undefined): Size {
    switch (selection.kind) {
      case Kind.FIELD:
        return this.#ofField(selection, type);
      case Kind.FRAGMENT_SPREAD:
        return this.#ofFragment(selection.name.value);
      case Kind.INLINE_FRAGMENT:
        return this.#ofSelections(
          selection.selectionSet,
          selection.typeCondition?.name.value ?? type,
        );
    }
  }

  #ofField({ name, alias, selectionSet }: FieldNode, type: string | undefined): Size {
    const fieldType = this.#typeOf(type, name.value);
    const size =
      selectionSet === undefined
        ? zeroSize()
        : this.#ofSelections(selectionSet, fieldType && getNamedType(fieldType).name);
    size.depth += 1;
    size.cost = 1 + (isList(fieldType) ? listLength : 1) * size.cost;
    if (alias !== undefined) size.aliases += 1;
    return size;
  }

  /** Returns `undefined` for unknown fields and for introspection fields. */
  #typeOf(type: string | undefined, field: string): GraphQLOutputType | undefined {
    const parent = type === undefined ? undefined : this.#schema.getType(type);
    if (!isCompositeType(parent) || !("getFields" in parent)) return undefined;
    return parent.getFields()[field]?.type;
  }
}

function isList(type: GraphQLOutputType | undefined): boolean {
  return isListType(isNonNullType(type) ? type.ofType : type);
}

function zeroSize(): Size {
  return { depth: 0, aliases: 0, directives: 0, cost: 0 };
}

function addSize(sum: Size, { depth, aliases, directives, cost }: Size): void {
  sum.depth = Math.max(sum.depth, depth);
  sum.aliases += aliases;
  sum.directives += directives;
  sum.cost += cost;
}

function lengthOf(nodes: readonly unknown[] | undefined): number {
  return nodes?.length ?? 0;
}
