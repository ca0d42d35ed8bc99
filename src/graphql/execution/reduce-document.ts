/** Reduces a document to the part that one operation executes, without references to the client's text. */
import {
  Kind,
  type ASTNode,
  type DocumentNode,
  type ExecutionArgs,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
} from "graphql";
import { tooComplex } from "../errors.ts";
import { copyText } from "./footprint.ts";

type Executed = Pick<ExecutionArgs, "document" | "operationName" | "variableValues">;

/** The reduced documents of each document, by operation name. Subscribers of one document share them. */
const reductions = new WeakMap<DocumentNode, Map<string, DocumentNode>>();

const reducedDocuments = new WeakSet<DocumentNode>();

/**
 * Reduces the memory of a long-lived operation to the operation itself, the fragments that it reaches and the
 * variables that it declares. Drops locations, because each one retains all tokens and the whole source text. Errors
 * of such an operation have no `locations`, which are optional in the GraphQL specification.
 *
 * @throws GraphQLError if selections or values are nested deeper than can be copied
 */
export function reduceDocument<Args extends Executed>(args: Args): Args {
  const { document, operationName, variableValues } = args;
  if (reducedDocuments.has(document)) return args;
  const name = operationName ?? "";
  const known = reductions.get(document) ?? new Map<string, DocumentNode>();
  reductions.set(document, known);
  const reduced = known.get(name) ?? reduceOrRefuse(document, name);
  known.set(name, reduced);
  reducedDocuments.add(reduced);
  const operation = reduced.definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION);
  if (operation === undefined) return args;
  return {
    ...args,
    document: reduced,
    variableValues: variableValues && declared(operation, variableValues),
  };
}

function reduceOrRefuse(document: DocumentNode, name: string): DocumentNode {
  try {
    return reduce(document, name);
  } catch (error) {
    // The stack overflowed, as it may for a thousand nested inline fragments.
    if (error instanceof RangeError) throw tooComplex("The document is nested too deeply.");
    throw error;
  }
}

/** Copies the operation of that name, or the only one, and the fragments that it reaches. */
function reduce({ definitions }: DocumentNode, name: string): DocumentNode {
  const fragments = new Map<string, FragmentDefinitionNode>();
  let operation: OperationDefinitionNode | undefined;
  for (const definition of definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION)
      fragments.set(definition.name.value, definition);
    else if (definition.kind === Kind.OPERATION_DEFINITION)
      if (name === "" || definition.name?.value === name) operation ??= definition;
  }
  const reached = new Set<FragmentDefinitionNode>();
  const copies: ASTNode[] = [];
  const copyOf = copier((spread) => {
    const fragment = fragments.get(spread);
    if (fragment === undefined || reached.has(fragment)) return;
    reached.add(fragment);
  });
  if (operation !== undefined) copies.push(copyOf(operation));
  // Copying a fragment adds the fragments that it reaches to the set.
  for (const fragment of reached) copies.push(copyOf(fragment));
  return { kind: Kind.DOCUMENT, definitions: copies as DocumentNode["definitions"] };
}

/** Copies nodes without their locations. Equal names share one string. */
function copier(onSpread: (name: string) => void) {
  const texts = new Map<string, string>();
  const textOf = (text: string) => {
    const known = texts.get(text) ?? copyText(text);
    texts.set(known, known);
    return known;
  };
  const copy = (value: unknown): unknown => {
    if (typeof value === "string") return textOf(value);
    if (Array.isArray(value)) return value.length === 0 ? emptyList : value.map(copy);
    if (typeof value !== "object" || value === null) return value;
    const copied: Record<string, unknown> = {};
    for (const [key, part] of Object.entries(value))
      // The kind stays the constant of graphql-js, because comparing identical strings is fast.
      if (key === "kind") copied[key] = part;
      else if (key !== "loc" && part !== undefined) copied[key] = copy(part);
    return copied;
  };
  return <Node extends ASTNode>(node: Node): Node => {
    visitSpreads(node, onSpread);
    return copy(node) as Node;
  };
}

const emptyList: readonly unknown[] = [];

function visitSpreads(node: ASTNode, onSpread: (name: string) => void): void {
  if (node.kind === Kind.FRAGMENT_SPREAD) return onSpread(node.name.value);
  if (!("selectionSet" in node)) return;
  for (const selection of node.selectionSet?.selections ?? []) visitSpreads(selection, onSpread);
}

function declared(
  { variableDefinitions = [] }: OperationDefinitionNode,
  values: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const names = variableDefinitions.map(({ variable }) => variable.name.value);
  const given = names.filter((name) => Object.hasOwn(values, name));
  return Object.fromEntries(given.map((name) => [name, values[name]]));
}
