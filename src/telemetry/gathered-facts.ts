/** Groups the equal audit facts of one operation: a hundred refusals in one request become one line with a count. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Audit, AuditFact } from "../session/audit.ts";

/** Facts that a client can cause many times in one operation, with aliases of one field. */
const repeatable: ReadonlySet<AuditFact["event"]> = new Set([
  "loginRefused",
  "registrationRefused",
  "passwordChangeRefused",
  "throttled",
  "renewalRefused",
]);

/** Longest time that a fact waits for equal facts (ms). */
const maxDelay = 10_000;

class FactGroup {
  readonly #facts = new Map<string, { fact: AuditFact; audit: Audit; count: number }>();
  #timer: NodeJS.Timeout | undefined;

  add(fact: AuditFact, audit: Audit): void {
    const key = JSON.stringify(fact);
    const known = this.#facts.get(key);
    if (known === undefined) this.#facts.set(key, { fact, audit, count: 1 });
    else known.count += 1;
    // Fields that run after `gatherFacts` has returned, because the client left, cause facts too.
    this.#timer ??= setTimeout(() => this.write(), maxDelay).unref();
  }

  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const facts = [...this.#facts.values()];
    this.#facts.clear();
    for (const { fact, audit, count } of facts)
      audit(count > 1 ? ({ ...fact, count } as AuditFact) : fact);
  }
}

const factGroups = new AsyncLocalStorage<FactGroup>();

/** Runs an operation, and writes the facts that it gathered when it is done. */
export async function gatherFacts<T>(work: () => Promise<T>): Promise<T> {
  const gathered = new FactGroup();
  try {
    return await factGroups.run(gathered, work);
  } finally {
    gathered.write();
  }
}

/** Wraps an audit trail: inside `gatherFacts`, equal facts are written together; elsewhere each at once. */
export function gathering(audit: Audit): Audit {
  return (fact) => {
    const gathered = repeatable.has(fact.event) ? factGroups.getStore() : undefined;
    if (gathered === undefined) audit(fact);
    else gathered.add(fact, audit);
  };
}
