/** Starts a server: with settings, an app's schema, and parts of its own. */
import type { Logger } from "pino";
import { assemble, type Assembled } from "./assemble.ts";
import { auditTrail } from "./audit.ts";
import { checkOptions, type Options } from "./config/config.ts";
import { faultLog, openLog } from "./graphql/logger.ts";
import { createSchema, type AppSchema } from "./graphql/schema.ts";
import { openParts, type Parts } from "./parts.ts";
import type { AuditEvent } from "./session/audit.ts";
import { startupOf, type Startup } from "./startup.ts";

export interface CurfewOptions extends Partial<Options>, AppSchema {
  /** @default pino, to standard output, at `logLevel` */
  readonly logger?: Logger;
  /** Instead of the parts that the settings would choose. They are closed with the server. */
  readonly parts?: Partial<Parts>;
  /**
   * Told of each fact of the audit trail when it is in the log: once, on the node that did it. Nothing
   * waits for it, and what it throws or rejects with is logged and harms nobody.
   */
  readonly onAudit?: (event: AuditEvent) => unknown;
  /** Epoch milliseconds, which then only go up; for tests. */
  readonly clock?: () => number;
}

/** A running server. */
export interface Curfew extends Assembled {
  /** What it said of itself in the log when it started. */
  readonly startup: Startup;
}

/**
 * Starts a server.
 *
 * @throws {ConfigError} when options are wrong.
 * @throws {Error} when the port is taken, or when what the options name cannot be opened.
 */
export async function createCurfew(given: CurfewOptions = {}): Promise<Curfew> {
  const {
    typeDefs,
    resolvers,
    logger: ownLogger,
    parts: ownParts = {},
    onAudit,
    clock = Date.now,
    ...settings
  } = given;
  const options = checkOptions(settings);
  const schema = createSchema({ ...(typeDefs && { typeDefs }), ...(resolvers && { resolvers }) });
  const logger = ownLogger ?? openLog(options.logLevel);
  const onFault = faultLog(logger);
  const parts = await openParts(options, ownParts, onFault);
  const startup = startupOf({
    options,
    own: ownParts,
    keys: parts.ring.ids,
    warnings: parts.warnings,
    production: process.env["NODE_ENV"] === "production",
  });
  const { warnings, ...facts } = startup;
  for (const warning of warnings) logger.warn(warning);
  try {
    const assembled = await assemble({
      options,
      parts,
      schema,
      logger,
      onFault,
      audit: auditTrail({ logger, clock, onFault, ...(onAudit && { onAudit }) }),
      clock,
      uptime: given.clock ?? (() => performance.now()),
    });
    logger.info({ url: assembled.url, ...facts }, "started");
    return { ...assembled, startup };
  } catch (error) {
    await parts.close();
    throw error;
  }
}
