/**
 * Bounds what the rule on overlapping fields has to compare. It compares each two fields of a selection that have
 * one name in the answer, and each two fragments; without a bound a document of 14 KB takes it 200 ms.
 */
import {
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type SelectionSetNode,
} from "graphql";

/** A selection, and the fragments that it was found in, the innermost first. */
interface Selected {
  readonly set: SelectionSetNode;
  readonly within: Within | undefined;
}

interface Within {
  readonly fragment: string;
  readonly within: Within | undefined;
  readonly depth: number;
}

/** The fields of one name at one place of the answer. */
interface Group {
  readonly selections: Selected[];
  fields: number;
}

class TooMany extends Error {}

/** Whether there are more pairs to compare than the limit. It takes time in proportion to the limit, at most. */
export function hasTooManyOverlaps(document: DocumentNode, limit: number): boolean {
  try {
    new Comparisons(document, limit).count();
    return false;
  } catch (error) {
    if (error instanceof TooMany) return true;
    throw error;
  }
}

class Comparisons {
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #sets: SelectionSetNode[] = [];
  #left: number;

  constructor({ definitions }: DocumentNode, limit: number) {
    this.#left = limit;
    for (const definition of definitions) {
      if (!("selectionSet" in definition)) continue;
      this.#sets.push(definition.selectionSet);
      if (definition.kind === Kind.FRAGMENT_DEFINITION)
        this.#fragments.set(definition.name.value, definition);
    }
  }

  /** @throws TooMany beyond the limit */
  count(): void {
    for (const set of this.#sets) this.#compare([{ set, within: undefined }]);
  }

  /** What is selected at one place: all fields of one name are compared, and then what is selected in them. */
  #compare(selections: readonly Selected[]): void {
    const groups = new Map<string, Group>();
    const spread = new Set<string>();
    for (const selected of selections) this.#collect(selected, groups, spread);
    for (const group of groups.values())
      if (group.selections.length > 0) this.#compare(group.selections);
  }

  #collect({ set, within }: Selected, groups: Map<string, Group>, spread: Set<string>): void {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) this.#take(selection, within, groups);
      else if (selection.kind === Kind.INLINE_FRAGMENT)
        this.#collect({ set: selection.selectionSet, within }, groups, spread);
      else this.#spread(selection.name.value, within, groups, spread);
    }
  }

  #take(
    { alias, name, selectionSet }: FieldNode,
    within: Within | undefined,
    groups: Map<string, Group>,
  ): void {
    const { value } = alias ?? name;
    let group = groups.get(value);
    if (group === undefined) groups.set(value, (group = { selections: [], fields: 0 }));
    group.fields += 1;
    this.#spend(group.fields);
    if (selectionSet !== undefined) group.selections.push({ set: selectionSet, within });
  }

  #spread(
    fragment: string,
    within: Within | undefined,
    groups: Map<string, Group>,
    spread: Set<string>,
  ): void {
    const depth = (within?.depth ?? 0) + 1;
    this.#spend(depth + spread.size);
    if (spread.has(fragment) || isWithin(fragment, within)) return;
    spread.add(fragment);
    const definition = this.#fragments.get(fragment);
    if (definition === undefined) return;
    const inner = { set: definition.selectionSet, within: { fragment, within, depth } };
    this.#collect(inner, groups, spread);
  }

  #spend(pairs: number): void {
    this.#left -= pairs;
    if (this.#left < 0) throw new TooMany();
  }
}

/** A fragment that spreads itself is for the rules of GraphQL to refuse. */
function isWithin(fragment: string, within: Within | undefined): boolean {
  for (let each = within; each !== undefined; each = each.within)
    if (each.fragment === fragment) return true;
  return false;
}
