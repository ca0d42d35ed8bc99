/**
 * Bounds what a document may ask for, by its text and the schema alone: a document that was let through is
 * known from then on, and costs nothing again.
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

/** Of each operation, with its fragments counted wherever they are spread. */
interface Size {
  /** Fields within fields. */
  depth: number;
  aliases: number;
  directives: number;
  /** Fields that the answer may have, if each list in it has ten items. */
  cost: number;
}

/** What a document may have at most. */
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
/** Characters. graphql-js quotes names in its errors, and looks for names that are like them. */
const maxNameLength = 255;
/** Of one document; more are not looked for. */
const maxErrors = 10;
/** Pairs of fields, or of fragments, that GraphQL's rule on overlapping fields compares. */
const maxComparisons = 50_000;

export interface QueryLimitsOptions {
  readonly limits: QueryLimits;
  /** Whether an error may name what the client probably meant, and so a part of the schema. */
  readonly suggestions: boolean;
}

/** One pipeline runs all operations, so these limits hold on sockets as they do over HTTP. */
export function useQueryLimits({ limits, suggestions }: QueryLimitsOptions): Plugin {
  const limitedParse: typeof parse = (source, options) => {
    try {
      const text = typeof source === "string" ? source : source.body;
      const noLocation = options?.noLocation === true || !showsLocations(text);
      return parse(source, { ...options, noLocation, maxLexicalTokens: limits.maxQueryTokens });
    } catch (error) {
      throw explained(error, limits);
    }
  };
  /** Before the rules of GraphQL, some of which take long for what is large. */
  const limitedValidate: typeof validate = (schema, document, rules, options, ...more) => {
    try {
      const excesses = excessesOf(schema, document, limits);
      if (excesses.length > 0) return excesses;
      const bounded = { maxErrors, ...options, hideSuggestions: !suggestions };
      return validate(schema, document, rules, bounded, ...more);
    } catch (error) {
      return [explained(error, limits)];
    }
  };
  return {
    onParse: ({ setParseFn }) => setParseFn(limitedParse),
    onValidate: ({ setValidationFn }) => setValidationFn(limitedValidate),
  };
}

/** @throws whatever is no fault of the document */
function explained(error: unknown, { maxQueryTokens }: QueryLimits): GraphQLError {
  // The stack is at its end, as it is for thousands of values within values.
  if (error instanceof RangeError) return tooComplex("The document is nested too deeply.");
  if (!(error instanceof GraphQLError)) throw error;
  return error.message.endsWith("tokens. Parsing aborted.")
    ? tooComplex(`The document has more than the ${maxQueryTokens} tokens that are allowed.`)
    : error;
}

const words = {
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
  // A fragment that none of them spreads is refused for that, by GraphQL's rules.
  const excesses = document.definitions.filter(isOperation).flatMap((operation) => {
    const size = sizes.of(operation);
    const name = operation.name === undefined ? "" : ` ${operation.name.value}`;
    return (["depth", "aliases", "directives", "cost"] as const)
      .filter((measure) => size[measure] > limits[limitOf[measure]])
      .map((measure) => {
        const has = `The operation${name} has ${inFigures(size[measure])} ${words[measure]}`;
        return tooComplex(`${has}; at most ${limits[limitOf[measure]]} are allowed.`, operation);
      });
  });
  if (excesses.length > 0 || !hasTooManyOverlaps(document, maxComparisons)) return excesses;
  return [
    tooComplex("The document selects the same fields, or spreads fragments, too many times."),
  ];
}

function hasLongName(document: DocumentNode): boolean {
  let isLong = false;
  const look = ({ value }: { readonly value: string }) => {
    isLong ||= value.length > maxNameLength;
  };
  visit(document, { Name: look, EnumValue: look });
  return isLong;
}

/** Fragments within fragments double at each step. */
function inFigures(number: number): string {
  return number > 1e9 ? "over a billion" : String(number);
}

function isOperation(node: DefinitionNode): node is OperationDefinitionNode {
  return node.kind === Kind.OPERATION_DEFINITION;
}

/** Measures each fragment once, however often it is spread. */
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
    size.directives += count(directives);
    for (const variable of variableDefinitions ?? []) size.directives += count(variable.directives);
    return size;
  }

  #ofFragment(name: string): Size {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    // What is not there, or spreads itself, is for the rules of GraphQL to refuse.
    const size = nothing();
    this.#known.set(name, size);
    if (fragment === undefined) return size;
    add(size, this.#ofSelections(fragment.selectionSet, fragment.typeCondition.name.value));
    size.directives += count(fragment.directives);
    return size;
  }

  /** @param type the name of the type that they are selected from */
  #ofSelections({ selections }: SelectionSetNode, type: string | undefined): Size {
    const size = nothing();
    for (const selection of selections) {
      add(size, this.#ofSelection(selection, type));
      size.directives += count(selection.directives);
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
    const answer = this.#answerOf(type, name.value);
    const size =
      selectionSet === undefined
        ? nothing()
        : this.#ofSelections(selectionSet, answer && getNamedType(answer).name);
    size.depth += 1;
    size.cost = 1 + (isList(answer) ? listLength : 1) * size.cost;
    if (alias !== undefined) size.aliases += 1;
    return size;
  }

  /** Undefined for what the schema does not have, and for what asks about the schema. */
  #answerOf(type: string | undefined, field: string): GraphQLOutputType | undefined {
    const parent = type === undefined ? undefined : this.#schema.getType(type);
    if (!isCompositeType(parent) || !("getFields" in parent)) return undefined;
    return parent.getFields()[field]?.type;
  }
}

function isList(type: GraphQLOutputType | undefined): boolean {
  return isListType(isNonNullType(type) ? type.ofType : type);
}

function nothing(): Size {
  return { depth: 0, aliases: 0, directives: 0, cost: 0 };
}

function add(sum: Size, { depth, aliases, directives, cost }: Size): void {
  sum.depth = Math.max(sum.depth, depth);
  sum.aliases += aliases;
  sum.directives += directives;
  sum.cost += cost;
}

function count(nodes: readonly unknown[] | undefined): number {
  return nodes?.length ?? 0;
}
