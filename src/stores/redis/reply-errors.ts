/** The meaning of errors of ioredis and of Redis, and their text without secrets. */

/**
 * Describes an error of ioredis or Redis for the log. It omits the arguments of commands, which Redis quotes and
 * which may contain the password.
 */
export function causeOf(error: unknown): string {
  const { lastNodeError = error } = Object(error) as { lastNodeError?: unknown };
  if (lastNodeError instanceof AggregateError)
    return lastNodeError.errors.map((each) => causeOf(each)).join("; ");
  const text = lastNodeError instanceof Error ? lastNodeError.message : String(lastNodeError);
  return text.replace(/,? with args beginning with:.*/s, "").slice(0, 300);
}

/** Whether Redis itself refused a command: the connection works. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** Whether Redis refused a command because of its present state, which passes or which an operator repairs. */
export function isTemporary({ message }: Error): boolean {
  return /\b(OOM|MISCONF|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MOVED|ASK|UNBLOCKED)\b/.test(
    message,
  );
}
