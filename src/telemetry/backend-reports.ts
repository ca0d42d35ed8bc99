/** Reports lost links to Redis, another store behind them and the limiters' fallback to the log and the metrics. */
import type { Logger } from "pino";
import type { BackendMetrics } from "./backend-metrics.ts";

const linkTexts = {
  commands: "the link to Redis for commands",
  subscriber: "the link to Redis for messages",
} as const;

/** The functions with which the backends of a node report. */
export type BackendReports = ReturnType<typeof backendReports>;

export function backendReports(logger: Logger, metrics: BackendMetrics) {
  type Link = keyof typeof linkTexts;
  return {
    linkChanged: (link: Link, isUp: boolean): void => metrics.linkChanged(link, isUp),
    linkLost(link: Link, cause: string): void {
      logger.warn({ link, cause }, `${linkTexts[link]} is lost`);
    },
    linkReturned(link: Link, duration: number): void {
      const seconds = Math.round(duration / 100) / 10;
      logger.info({ link, seconds }, `${linkTexts[link]} is back`);
    },
    storeReplaced(): void {
      metrics.storeReplaced();
      logger.warn("another Redis answers than before, which may have lost changes");
    },
    limiterFellBack: (): void => metrics.limiterFellBack(),
    limiterFallbackBegan(): void {
      logger.warn("the rate limits count on this node only: Redis does not count");
    },
    limiterFallbackEnded(): void {
      logger.info("the rate limits count on all nodes together again");
    },
  };
}
