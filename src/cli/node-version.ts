/** Which Node this needs: the oldest that has all of it. */
const oldest = 24;

/** @param version as in `process.version`; undefined is returned where that one will do */
export function nodeFault(version: string): string | undefined {
  const major = Number(/^v(\d+)\./.exec(version)?.[1] ?? Number.NaN);
  return major < oldest ? `Curfew needs Node ${oldest} or newer; this is ${version}.` : undefined;
}
