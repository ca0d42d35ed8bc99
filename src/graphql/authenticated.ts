/** The directive `@authenticated`: guards fields, and all fields of a type, with the session of the request. */
import { getDirective, MapperKind, mapSchema } from "@graphql-tools/utils";
import {
  defaultFieldResolver,
  isObjectType,
  type GraphQLFieldConfig,
  type GraphQLFieldResolver,
  type GraphQLSchema,
} from "graphql";
import { requireSession, type CurfewContext } from "./context.ts";

const guardedSchemas = new WeakMap<GraphQLSchema, GraphQLSchema>();

type Resolver = GraphQLFieldResolver<unknown, CurfewContext>;

/**
 * Makes `@authenticated` hold in a schema whose resolvers get a `CurfewContext`: without a session such a
 * field answers with the error code `UNAUTHENTICATED`. One that is guarded already is given back as it is.
 */
export function guardAuthenticated(schema: GraphQLSchema): GraphQLSchema {
  const known = guardedSchemas.get(schema);
  if (known !== undefined) return known;
  const isMarked = (node: Parameters<typeof getDirective>[1]) =>
    getDirective(schema, node, "authenticated") !== undefined;
  const guardedSchema = mapSchema(schema, {
    [MapperKind.OBJECT_FIELD]: (field, name, typeName) => {
      const type = schema.getType(typeName);
      // What an interface asks for, all its types keep to.
      const interfaces = isObjectType(type) ? type.getInterfaces() : [];
      const declared = interfaces.flatMap((one) => one.getFields()[name] ?? []);
      const nodes = [field, ...declared, ...(type === undefined ? [] : [type])];
      return nodes.some(isMarked) ? guard(field) : field;
    },
  });
  guardedSchemas.set(schema, guardedSchema).set(guardedSchema, guardedSchema);
  return guardedSchema;
}

function guard(field: GraphQLFieldConfig<unknown, CurfewContext>) {
  const { resolve = defaultFieldResolver, subscribe } = field;
  // A subscription is guarded where it begins; its events are then cut off when the session ends.
  return subscribe === undefined
    ? { ...field, resolve: guarded(resolve) }
    : { ...field, subscribe: guarded(subscribe) };
}

function guarded(resolve: Resolver): Resolver {
  return (source, args, context, info) => {
    requireSession(context);
    return resolve(source, args, context, info);
  };
}
