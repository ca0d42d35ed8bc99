/** The scalar DateTime: ISO 8601 in requests and responses, a Date or epoch milliseconds in resolvers. */
import { GraphQLError, GraphQLScalarType, Kind } from "graphql";

/** The message for an invalid value. */
export const dateTimeProblem = 'A DateTime is written like "2026-01-31T12:00:00.000Z".';

export const DateTime = new GraphQLScalarType<Date, string>({
  name: "DateTime",
  description: "A point in time, ISO 8601 in UTC with milliseconds.",
  serialize: (value) => toDate(value instanceof Date ? value.getTime() : value).toISOString(),
  parseValue: (value) => toDate(typeof value === "string" ? value : undefined),
  parseLiteral: (node) => toDate(node.kind === Kind.STRING ? node.value : undefined),
});

function toDate(value: unknown): Date {
  const date = typeof value === "string" || typeof value === "number" ? new Date(value) : undefined;
  if (date === undefined || Number.isNaN(date.getTime())) throw new GraphQLError(dateTimeProblem);
  return date;
}
