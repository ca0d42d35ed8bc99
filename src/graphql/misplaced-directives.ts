/** Rejects `@authenticated` where it would guard nothing. An app that redeclares the directive may allow such places. */
import { getDirective } from "@graphql-tools/utils";
import {
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isScalarType,
  isUnionType,
  type GraphQLNamedType,
  type GraphQLSchema,
} from "graphql";

type SchemaNode = Parameters<typeof getDirective>[1];

/** An element of a schema, its name in the error, and where the directive belongs instead. */
type Element = readonly [element: SchemaNode, name: string, instead: string];

/** @throws {Error} naming the first directive on anything but an object type, an interface or one of their fields. */
export function rejectMisplacedDirectives(schema: GraphQLSchema): void {
  const everywhere = "Mark the types and fields that need a session.";
  const isMarked = (element: SchemaNode) =>
    getDirective(schema, element, "authenticated") !== undefined;
  const elements: Element[] = [[schema, "the schema", everywhere]];
  for (const type of Object.values(schema.getTypeMap())) elements.push(...unguardable(type));
  for (const directive of schema.getDirectives())
    for (const arg of directive.args)
      elements.push([arg, `the argument @${directive.name}(${arg.name}:)`, everywhere]);
  const misplaced = elements.find(([element]) => isMarked(element));
  if (misplaced === undefined) return;
  const [, name, instead] = misplaced;
  throw new Error(
    `@authenticated on ${name} guards nothing: it holds on object types, interfaces and their fields. ${instead}`,
  );
}

function unguardable(type: GraphQLNamedType): Element[] {
  const { name } = type;
  const returning = `Mark the fields that return ${name}.`;
  if (isObjectType(type) || isInterfaceType(type))
    return Object.values(type.getFields()).flatMap((field) =>
      field.args.map((arg): Element => {
        const path = `${name}.${field.name}`;
        return [arg, `the argument ${path}(${arg.name}:)`, `Mark the field ${path}.`];
      }),
    );
  if (isInputObjectType(type)) {
    const taking = `Mark the fields that take ${name}.`;
    const fields = Object.values(type.getFields()).map((field): Element => [
      field,
      `the input field ${name}.${field.name}`,
      taking,
    ]);
    return [[type, `the input ${name}`, taking], ...fields];
  }
  if (isEnumType(type)) {
    const values = type
      .getValues()
      .map((value): Element => [value, `the enum value ${name}.${value.name}`, returning]);
    return [[type, `the enum ${name}`, returning], ...values];
  }
  if (isUnionType(type))
    return [[type, `the union ${name}`, `Mark its types, or the fields that return ${name}.`]];
  return isScalarType(type) ? [[type, `the scalar ${name}`, returning]] : [];
}
