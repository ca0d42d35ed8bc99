/** Whether this node can serve, part by part: for `/ready`, which load balancers ask. */

/** Something that the node cannot serve without. */
export interface Check {
  /** Says of what kind it is, and not where; several may have one name, and then all must be there. */
  readonly name: string;
  /** Rejects when it does not answer. */
  readonly ping: () => Promise<void>;
}

export interface Readiness {
  readonly ready: boolean;
  /** It was told to stop, and lets nobody in. */
  readonly draining: boolean;
  readonly parts: Readonly<Record<string, "up" | "down">>;
}

/**
 * Anybody may ask, as often as he likes: those who ask while others wait get the same answer, so that
 * each part is asked once at a time.
 *
 * @param timeLimit how long a part may take to answer (ms); one without an answer by then is down. Clients do not wait
 *   much longer.
 */
export function readinessOf(
  checks: readonly Check[],
  timeLimit: number,
  isDraining: () => boolean,
): () => Promise<Readiness> {
  let underWay: Promise<Readiness["parts"]> | undefined;
  return async () => {
    underWay ??= askAll(checks, timeLimit).finally(() => (underWay = undefined));
    const parts = await underWay;
    const draining = isDraining();
    const ready = !draining && Object.values(parts).every((state) => state === "up");
    return { ready, draining, parts };
  };
}

async function askAll(checks: readonly Check[], timeLimit: number): Promise<Readiness["parts"]> {
  const answers = await Promise.all(checks.map((check) => isUp(check, timeLimit)));
  const parts: Record<string, "up" | "down"> = {};
  for (const [index, { name }] of checks.entries())
    parts[name] = answers[index] === true && parts[name] !== "down" ? "up" : "down";
  return parts;
}

async function isUp({ ping }: Check, timeLimit: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, timeLimit, false);
  ping().then(
    () => resolve(true),
    () => resolve(false),
  );
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
