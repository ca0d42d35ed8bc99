/** A clock that all processes of the machine share. */

/** Monotonic milliseconds. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
