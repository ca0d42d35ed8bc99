/** Restricts the load to this machine. */

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** @throws {Error} for an address of another machine. */
export function targetOf(url: string): Target {
  const { hostname, port, pathname } = new URL(url);
  if (!/^(127(\.\d+){3}|\[::1\]|localhost)$/.test(hostname))
    throw new Error(`${hostname} is not this machine: the benchmark puts load on no other.`);
  return { host: hostname.replace(/[[\]]/g, ""), port: Number(port), path: pathname };
}
