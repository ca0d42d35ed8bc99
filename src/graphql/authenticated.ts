/** The directive `@authenticated`: fields, and all fields of a type, that resolve only for a live session. */
import { getDirective, MapperKind, mapSchema } from "@graphql-tools/utils";
import {
  defaultFieldResolver,
  isInterfaceType,
  isObjectType,
  type GraphQLFieldConfig,
  type GraphQLFieldResolver,
  type GraphQLSchema,
} from "graphql";
import type { Plugin } from "graphql-yoga";
import { requireSession, type CurfewContext } from "./context.ts";
import { rejectMisplacedDirectives } from "./misplaced-directives.ts";

const guardedSchemas = new WeakMap<GraphQLSchema, GraphQLSchema>();

type Resolver = GraphQLFieldResolver<unknown, CurfewContext>;
type FieldResolvers = Pick<GraphQLFieldConfig<unknown, CurfewContext>, "resolve" | "subscribe">;

/**
 * Enforces `@authenticated` in a schema whose resolvers receive a `CurfewContext`: without a session a guarded field
 * returns the error code `UNAUTHENTICATED`. On a type the directive guards all fields of the type; on an interface, or
 * on a field of one, it guards those fields in all types that implement it. Returns a guarded schema unchanged.
 *
 * @throws {Error} naming a directive that would guard nothing, such as one on an argument
 */
export function guardAuthenticated(schema: GraphQLSchema): GraphQLSchema {
  const known = guardedSchemas.get(schema);
  if (known !== undefined) return known;
  rejectMisplacedDirectives(schema);
  const guardedSchema = mapSchema(schema, {
    [MapperKind.OBJECT_FIELD]: (field, name, typeName) =>
      isGuarded(schema, field, name, typeName) ? { ...field, ...guardsOf(field) } : field,
  });
  guardedSchemas.set(schema, guardedSchema).set(guardedSchema, guardedSchema);
  return guardedSchema;
}

/**
 * A plugin for one Yoga that guards its schema, and every schema that another plugin replaces it with. A schema that
 * cannot be guarded is refused when it is set, and every operation is refused until it is replaced.
 */
export function guardingPlugin(): Plugin<CurfewContext> {
  let isReplacing = false;
  let refusal: { readonly error: unknown } | undefined;
  const guard = (schema: GraphQLSchema): GraphQLSchema => {
    try {
      const guardedSchema = guardAuthenticated(schema);
      refusal = undefined;
      return guardedSchema;
    } catch (error) {
      refusal = { error };
      throw error;
    }
  };
  return {
    onSchemaChange: ({ schema: changed, replaceSchema }) => {
      const schema = changed as GraphQLSchema;
      const guardedSchema = guard(schema);
      if (guardedSchema === schema) return;
      // A plugin that replaces each schema it receives would replace ours again, without end.
      if (isReplacing) return guardInPlace(schema);
      isReplacing = true;
      try {
        replaceSchema(guardedSchema);
      } finally {
        isReplacing = false;
      }
    },
    // Yoga keeps a schema whose `onSchemaChange` threw, and would use it from the second request on.
    onEnveloped: () => {
      if (refusal !== undefined) throw refusal.error;
    },
  };
}

function guardInPlace(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap()))
    if (isObjectType(type))
      for (const field of Object.values(type.getFields()))
        if (isGuarded(schema, field, field.name, type.name)) Object.assign(field, guardsOf(field));
  guardedSchemas.set(schema, schema);
}

function isGuarded(
  schema: GraphQLSchema,
  field: Parameters<typeof getDirective>[1],
  name: string,
  typeName: string,
): boolean {
  const type = schema.getType(typeName);
  if (!isObjectType(type) && !isInterfaceType(type)) return false;
  // A directive on an interface guards the types that implement it.
  const interfaces = type.getInterfaces().filter((one) => name in one.getFields());
  const declared = interfaces.flatMap((one) => [one, one.getFields()[name] ?? []].flat());
  return [field, type, ...declared].some(
    (node) => getDirective(schema, node, "authenticated") !== undefined,
  );
}

function guardsOf({ resolve = defaultFieldResolver, subscribe }: FieldResolvers): FieldResolvers {
  // A subscription is guarded when it starts. Its stream closes when the session ends.
  return subscribe == null
    ? { resolve: guarded(resolve ?? defaultFieldResolver) }
    : { subscribe: guarded(subscribe) };
}

function guarded(resolve: Resolver): Resolver {
  return (source, args, context, info) => {
    requireSession(context);
    return resolve(source, args, context, info);
  };
}
