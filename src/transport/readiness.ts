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

/** Milliseconds; what has not answered by then is down. Whoever asks does not wait much longer himself. */
const timeLimit = 1_000;

/**
 * Anybody may ask, as often as he likes: those who ask while others wait get the same answer, so that
 * each part is asked once at a time.
 */
export function readinessOf(
  checks: readonly Check[],
  isDraining: () => boolean,
): () => Promise<Readiness> {
  let underWay: Promise<Readiness["parts"]> | undefined;
  return async () => {
    underWay ??= askAll(checks).finally(() => (underWay = undefined));
    const parts = await underWay;
    const draining = isDraining();
    const ready = !draining && Object.values(parts).every((state) => state === "up");
    return { ready, draining, parts };
  };
}

async function askAll(checks: readonly Check[]): Promise<Readiness["parts"]> {
  const answers = await Promise.all(checks.map(isUp));
  const parts: Record<string, "up" | "down"> = {};
  for (const [index, { name }] of checks.entries())
    parts[name] = answers[index] === true && parts[name] !== "down" ? "up" : "down";
  return parts;
}

async function isUp({ ping }: Check): Promise<boolean> {
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
