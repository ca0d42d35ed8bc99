/** Gathers the equal facts of one operation, so that a hundred refusals in one request are one line with a count. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Audit, AuditFact } from "../session/audit.ts";

/** Facts that a client can cause many times in one operation, by as many aliases of one field. */
const repeatable: ReadonlySet<AuditFact["event"]> = new Set([
  "loginRefused",
  "registrationRefused",
  "passwordChangeRefused",
  "throttled",
  "renewalRefused",
]);

/** How long a fact waits at most for others like it (ms). */
const maxDelay = 10_000;

class Gathered {
  readonly #facts = new Map<string, { fact: AuditFact; audit: Audit; count: number }>();
  #timer: NodeJS.Timeout | undefined;

  add(fact: AuditFact, audit: Audit): void {
    const key = JSON.stringify(fact);
    const known = this.#facts.get(key);
    if (known === undefined) this.#facts.set(key, { fact, audit, count: 1 });
    else known.count += 1;
    // Fields that are executed after their client has left cause facts too.
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

const operations = new AsyncLocalStorage<Gathered>();

/** Runs an operation; what it gathered is written when it is done. */
export async function gatherFacts<T>(work: () => Promise<T>): Promise<T> {
  const gathered = new Gathered();
  try {
    return await operations.run(gathered, work);
  } finally {
    gathered.write();
  }
}

/** Writes a fact down at once, or, inside of `gatherFacts`, equal ones together. */
export function gathering(audit: Audit): Audit {
  return (fact) => {
    const gathered = repeatable.has(fact.event) ? operations.getStore() : undefined;
    if (gathered === undefined) audit(fact);
    else gathered.add(fact, audit);
  };
}
