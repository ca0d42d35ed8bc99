/** The directive `@authenticated`: guards fields, and all fields of a type, with the session of the request. */
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
import { refuseMisplacedMarks } from "./misplaced-marks.ts";

const guardedSchemas = new WeakMap<GraphQLSchema, GraphQLSchema>();

type Resolver = GraphQLFieldResolver<unknown, CurfewContext>;
type Field = Pick<GraphQLFieldConfig<unknown, CurfewContext>, "resolve" | "subscribe">;

/**
 * Makes `@authenticated` hold in a schema whose resolvers get a `CurfewContext`: without a session such a
 * field answers with the error code `UNAUTHENTICATED`. On a type it holds for all fields of the type; on an
 * interface, or on a field of one, for those fields in all types that implement it. One that is guarded
 * already is given back as it is.
 *
 * @throws Error that names a mark which would guard nothing, such as one on an argument
 */
export function guardAuthenticated(schema: GraphQLSchema): GraphQLSchema {
  const known = guardedSchemas.get(schema);
  if (known !== undefined) return known;
  refuseMisplacedMarks(schema);
  const guardedSchema = mapSchema(schema, {
    [MapperKind.OBJECT_FIELD]: (field, name, typeName) =>
      isGuarded(schema, field, name, typeName) ? { ...field, ...guardsOf(field) } : field,
  });
  guardedSchemas.set(schema, guardedSchema).set(guardedSchema, guardedSchema);
  return guardedSchema;
}

/**
 * For one Yoga: guards every schema that it comes to have, whichever plugin brings it. A schema that cannot be
 * guarded is refused when it is set, and so is every operation for as long as it is the Yoga's.
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
      // A plugin that makes a new schema of each one that it is given would never be done with ours.
      if (isReplacing) return guardInPlace(schema);
      isReplacing = true;
      try {
        replaceSchema(guardedSchema);
      } finally {
        isReplacing = false;
      }
    },
    // The Yoga has set the schema by then, and would use it from the second request on.
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
  // Types keep to what an interface asks for.
  const interfaces = type.getInterfaces().filter((one) => name in one.getFields());
  const declared = interfaces.flatMap((one) => [one, one.getFields()[name] ?? []].flat());
  return [field, type, ...declared].some(
    (node) => getDirective(schema, node, "authenticated") !== undefined,
  );
}

function guardsOf({ resolve = defaultFieldResolver, subscribe }: Field): Field {
  // A subscription is guarded where it begins; its events are then cut off when the session ends.
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
