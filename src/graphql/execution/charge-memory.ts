/** Charges an operation for its memory until it is done. */
import { getOperationAST, OperationTypeNode, type ExecutionArgs } from "graphql";
import type { Caller } from "../caller.ts";
import { documentFootprint, footprintOf } from "./footprint.ts";

/** Bytes that every running operation takes besides its request: closures, promises, its stream and its context. */
const baseFootprint = 6_000;

/**
 * Charges the operation, and returns whether it may run.
 *
 * @param params the client's request, if plugins retain it while the operation runs
 */
export function chargeMemory(args: ExecutionArgs, caller: Caller, params?: unknown): boolean {
  const { document, operationName, variableValues } = args;
  const bytes = () =>
    baseFootprint +
    documentFootprint(document) +
    footprintOf(variableValues) +
    (params === undefined ? 0 : footprintOf(params));
  const kind = getOperationAST(document, operationName)?.operation;
  return caller.charge(bytes, kind === OperationTypeNode.SUBSCRIPTION);
}
