/** How the parts tell of what went wrong without failing anybody. */

/** @param what says it for the log: nothing secret */
export type OnFault = (what: string, error: unknown) => void;
