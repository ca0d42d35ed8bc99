/** The part of a document that one operation executes, without anything that ties it to the client's text. */
import {
  Kind,
  type ASTNode,
  type DocumentNode,
  type ExecutionArgs,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
} from "graphql";
import { copyText } from "./footprint.ts";

type Executed = Pick<ExecutionArgs, "document" | "operationName" | "variableValues">;

/** By document: what its operations execute, by their name. Subscribers of one document share it. */
const executables = new WeakMap<DocumentNode, Map<string, DocumentNode>>();

const reducedDocuments = new WeakSet<DocumentNode>();

/**
 * Reduces what a long-lived operation keeps to the operation itself, the fragments that it reaches and the
 * variables that it declares. Locations are left out: each would keep all tokens and the whole source text.
 * Errors of such an operation have no `locations`, which the GraphQL specification leaves optional.
 */
export function reduceDocument<Args extends Executed>(args: Args): Args {
  const { document, operationName, variableValues } = args;
  if (reducedDocuments.has(document)) return args;
  const name = operationName ?? "";
  const known = executables.get(document) ?? new Map<string, DocumentNode>();
  executables.set(document, known);
  const executable = known.get(name) ?? reduced(document, name);
  known.set(name, executable);
  reducedDocuments.add(executable);
  const operation = executable.definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION);
  if (operation === undefined) return args;
  return {
    ...args,
    document: executable,
    variableValues: variableValues && declared(operation, variableValues),
  };
}

/** The operation of that name, or the only one. */
function reduced({ definitions }: DocumentNode, name: string): DocumentNode {
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
  // Fragments that fragments reach are added while this goes on.
  for (const fragment of reached) copies.push(copyOf(fragment));
  return { kind: Kind.DOCUMENT, definitions: copies as DocumentNode["definitions"] };
}

/** Copies nodes without their locations; equal names share one text. */
function copier(onSpread: (name: string) => void) {
  const texts = new Map<string, string>();
  const textOf = (text: string) => {
    const known = texts.get(text) ?? copyText(text);
    texts.set(known, known);
    return known;
  };
  const copy = (value: unknown): unknown => {
    if (typeof value === "string") return textOf(value);
    if (Array.isArray(value)) return value.length === 0 ? none : value.map(copy);
    if (typeof value !== "object" || value === null) return value;
    const copied: Record<string, unknown> = {};
    for (const [key, part] of Object.entries(value))
      // The kind is a constant of graphql's, which compares fast by being the same.
      if (key === "kind") copied[key] = part;
      else if (key !== "loc" && part !== undefined) copied[key] = copy(part);
    return copied;
  };
  return <Node extends ASTNode>(node: Node): Node => {
    visitSpreads(node, onSpread);
    return copy(node) as Node;
  };
}

const none: readonly unknown[] = [];

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
  const kept = names.filter((name) => Object.hasOwn(values, name));
  return Object.fromEntries(kept.map((name) => [name, values[name]]));
}
