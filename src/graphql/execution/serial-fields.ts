/** Finds operations that execute fields serially: mutations with more than one root field. */
import {
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";

/** Counts the fields of fragments too, and ignores `@include` and `@skip`. */
export function hasSerialFields(
  { operation, selectionSet }: OperationDefinitionNode,
  document: DocumentNode,
): boolean {
  return operation === OperationTypeNode.MUTATION && hasSeveral(selectionSet, document);
}

function hasSeveral({ selections }: SelectionSetNode, document: DocumentNode): boolean {
  // The common mutation, checked first to keep it fast.
  const [only] = selections;
  if (selections.length === 1 && only?.kind === Kind.FIELD) return false;
  const visited = new Set<string>();
  let fields = 0;
  const waiting = [...selections];
  for (let next = waiting.pop(); next !== undefined && fields < 2; next = waiting.pop()) {
    if (next.kind === Kind.FIELD) fields += 1;
    else if (next.kind === Kind.INLINE_FRAGMENT) waiting.push(...next.selectionSet.selections);
    else if (!visited.has(next.name.value)) {
      const { value } = next.name;
      visited.add(value);
      waiting.push(...selectionsOf(value, document));
    }
  }
  return fields > 1;
}

function selectionsOf(fragment: string, { definitions }: DocumentNode) {
  const definition = definitions.find(
    (one) => one.kind === Kind.FRAGMENT_DEFINITION && one.name.value === fragment,
  );
  return definition?.kind === Kind.FRAGMENT_DEFINITION ? definition.selectionSet.selections : [];
}
