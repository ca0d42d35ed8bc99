/** A clock that all processes of the machine share. */

/** Milliseconds. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
