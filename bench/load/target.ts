/** Whom load may be put on: this machine, and nobody else. */

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** @throws Error for an address of another machine. */
export function targetOf(url: string): Target {
  const { hostname, port, pathname } = new URL(url);
  if (!/^(127(\.\d+){3}|\[::1\]|localhost)$/.test(hostname))
    throw new Error(`${hostname} is not this machine: load is put on no other one.`);
  return { host: hostname.replace(/[[\]]/g, ""), port: Number(port), path: pathname };
}
