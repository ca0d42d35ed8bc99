/** Masks the errors of a result, and reports those that it masked. */
import type { ExecutionResult, GraphQLError } from "graphql";
import { redactRequestError } from "../plugins/redact-errors.ts";
import { reportMaskedErrors, type OnMasked } from "./report-masked-errors.ts";

interface WithErrors {
  readonly errors?: readonly GraphQLError[];
}

/** The fields of an incremental result. */
interface Incremental {
  readonly incremental?: readonly WithErrors[];
  readonly completed?: readonly WithErrors[];
}

export interface MaskOptions {
  /** Masks an error for the client. */
  readonly mask: (error: unknown) => unknown;
  /** Receives the masked errors of a result, grouped by cause. */
  readonly onMasked: OnMasked;
  /** Whether an error of a variable may suggest similar names of the schema. */
  readonly suggestions: boolean;
}

/** Returns the function that masks the errors of one result. */
export function createMaskResult({
  mask,
  onMasked,
  suggestions,
}: MaskOptions): (result: ExecutionResult) => ExecutionResult {
  function shownErrors(errors: readonly GraphQLError[], hidden: GraphQLError[]): GraphQLError[] {
    return errors.map((error) => {
      const shown = mask(error);
      if (shown !== error) hidden.push(error);
      return shown as GraphQLError;
    });
  }

  /** @param hidden receives the errors that were masked */
  function shownResult(result: ExecutionResult, hidden: GraphQLError[]): ExecutionResult {
    const maskedPart = <Part extends WithErrors>(part: Part): Part => {
      const { errors } = part;
      return errors === undefined ? part : { ...part, errors: shownErrors(errors, hidden) };
    };
    const { errors, incremental, completed } = result as ExecutionResult & Incremental;
    // Each part of an incremental result has its own errors.
    if (incremental !== undefined || completed !== undefined)
      return maskedPart({
        ...result,
        ...(incremental !== undefined && { incremental: incremental.map(maskedPart) }),
        ...(completed !== undefined && { completed: completed.map(maskedPart) }),
      });
    if (errors === undefined) return result;
    // A result without `data` was not executed, so its errors concern the variables.
    const redacted =
      "data" in result ? errors : errors.map((error) => redactRequestError(error, suggestions));
    return { ...result, errors: shownErrors(redacted, hidden) };
  }

  return (result) => {
    const hidden: GraphQLError[] = [];
    const shown = shownResult(result, hidden);
    if (hidden.length > 0) reportMaskedErrors(hidden, onMasked);
    return shown;
  };
}
