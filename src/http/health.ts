/** Readiness of this node and of the services that it depends on, for the load balancer's `/ready` check. */
import { withTimeout } from "../lib/timeout.ts";

/** A service that the node cannot work without. */
export interface HealthCheck {
  /** The kind of service, without its address. Several checks may share a name: it is up if all of them are. */
  readonly name: string;
  /** Rejects if the service does not answer. */
  readonly ping: () => Promise<void>;
}

export interface Readiness {
  readonly ready: boolean;
  /** Whether the node is shutting down and accepts no new clients. */
  readonly draining: boolean;
  readonly parts: Readonly<Record<string, "up" | "down">>;
}

/**
 * Any client may ask, at any rate: concurrent calls share one result, so each service has at most one check in
 * flight.
 *
 * @param timeLimit how long a service may take to answer before it counts as down (ms). Load balancers do not wait
 *   much longer.
 */
export function readinessOf(
  checks: readonly HealthCheck[],
  timeLimit: number,
  isDraining: () => boolean,
): () => Promise<Readiness> {
  let inFlight: Promise<Readiness["parts"]> | undefined;
  return async () => {
    inFlight ??= runAll(checks, timeLimit).finally(() => (inFlight = undefined));
    const parts = await inFlight;
    const draining = isDraining();
    const ready = !draining && Object.values(parts).every((state) => state === "up");
    return { ready, draining, parts };
  };
}

async function runAll(
  checks: readonly HealthCheck[],
  timeLimit: number,
): Promise<Readiness["parts"]> {
  const results = await Promise.all(checks.map((check) => isUp(check, timeLimit)));
  const parts: Record<string, "up" | "down"> = {};
  for (const [index, { name }] of checks.entries())
    parts[name] = results[index] === true && parts[name] !== "down" ? "up" : "down";
  return parts;
}

async function isUp({ ping }: HealthCheck, timeLimit: number): Promise<boolean> {
  const pinged = ping().then(
    () => true,
    () => false,
  );
  return (await withTimeout(pinged, timeLimit)) === true;
}
