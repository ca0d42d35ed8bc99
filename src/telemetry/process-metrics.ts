/** The metrics of the process, which all servers in it share: CPU, memory, garbage, delay of the event loop. */
import { collectDefaultMetrics, Registry } from "prom-client";

let registry: Registry | undefined;

/** Begins to watch when it is first asked for: what nobody reads is not measured. */
export function processMetrics(): Registry {
  if (registry !== undefined) return registry;
  registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // These look at every socket, each time.
  for (const name of ["handles", "requests", "resources"]) {
    registry.removeSingleMetric(`nodejs_active_${name}`);
    registry.removeSingleMetric(`nodejs_active_${name}_total`);
  }
  return registry;
}
