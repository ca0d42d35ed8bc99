/** Charges an operation for what it keeps until it is done. */
import { getOperationAST, OperationTypeNode, type ExecutionArgs } from "graphql";
import type { Caller } from "../caller.ts";
import { documentFootprint, footprintOf } from "./footprint.ts";

/** Bytes of everything else that a running operation keeps: closures, promises, its stream and its context. */
const machinery = 6_000;

/**
 * Whether the operation may run.
 *
 * @param params what the client sent, where plugins keep it
 */
export function chargeMemory(args: ExecutionArgs, caller: Caller, params?: unknown): boolean {
  const { document, operationName, variableValues } = args;
  const bytes = () =>
    machinery +
    documentFootprint(document) +
    footprintOf(variableValues) +
    (params === undefined ? 0 : footprintOf(params));
  const kind = getOperationAST(document, operationName)?.operation;
  return caller.charge(bytes, kind === OperationTypeNode.SUBSCRIPTION);
}
