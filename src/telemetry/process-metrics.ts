/** The metrics of the process, which all of its servers share: CPU, memory, garbage collection, event loop lag. */
import { collectDefaultMetrics, Registry } from "prom-client";

let registry: Registry | undefined;

/** Returns the registry of the process. Collection starts with the first call, so an unread page costs nothing. */
export function processMetrics(): Registry {
  if (registry !== undefined) return registry;
  registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // Each scrape would visit every open socket.
  for (const name of ["handles", "requests", "resources"]) {
    registry.removeSingleMetric(`nodejs_active_${name}`);
    registry.removeSingleMetric(`nodejs_active_${name}_total`);
  }
  return registry;
}
