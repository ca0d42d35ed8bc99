/** Checks the version of Node before modules that need it are loaded. */

/** The oldest supported major version. */
const oldest = 24;

/**
 * Returns an error message if Node is too old.
 *
 * @param version as in `process.version`
 */
export function nodeVersionError(version: string): string | undefined {
  const major = Number(/^v(\d+)\./.exec(version)?.[1] ?? Number.NaN);
  return major < oldest ? `Curfew needs Node ${oldest} or newer; this is ${version}.` : undefined;
}
