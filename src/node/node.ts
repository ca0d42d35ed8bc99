/** Sessions and all that holds them to their promise, on one node: what Curfew's server and an app's own stand on. */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { auditTrail } from "../telemetry/audit-log.ts";
import { checkOptions, isProduction, type Options } from "../config/load.ts";
import type { Services } from "../graphql/context.ts";
import { Events } from "../graphql/events.ts";
import { faultLog, lostLines, openLog } from "../telemetry/logger.ts";
import { MemoryLedger } from "../connections/memory-ledger.ts";
import { lifetimesOf, openBackends, type OpenBackends, type Backends } from "./backends.ts";
import { nodeLimits } from "./limits.ts";
import type { Audit, AuditEvent } from "../session/audit.ts";
import { ConcurrencyLimiter } from "../lib/concurrency-limiter.ts";
import type { ReportError } from "../lib/report-error.ts";
import { Deadlines } from "../lib/deadlines.ts";
import { Sessions } from "../session/sessions.ts";
import { Watches } from "../session/watch.ts";
import { Connections } from "../connections/connections.ts";
import { ConnectionLimiter } from "../connections/connection-limiter.ts";
import { Recheck } from "../connections/recheck.ts";
import { refusalFact, type Refusal } from "../connections/refusals.ts";
import { gathering } from "../telemetry/gathered-facts.ts";
import { Telemetry } from "../telemetry/telemetry.ts";
import { startupReport, type StartupReport } from "./startup-report.ts";
import { Accounts } from "../users/accounts.ts";
import { Administration } from "../users/administration.ts";
import { Passwords } from "../users/passwords.ts";

/** The settings, and what an app may bring besides them. */
export interface NodeOptions extends Partial<Options> {
  /** @default pino, to standard output, at `logLevel` */
  readonly logger?: Logger;
  /** Instead of the parts that the settings would choose. They are closed with the rest. */
  readonly backends?: Partial<Backends>;
  /**
   * Told of each fact of the audit trail when it is in the log: once, on the node that did it. Nothing
   * waits for it, and what it throws or rejects with is logged and harms nobody.
   */
  readonly onAudit?: (event: AuditEvent) => unknown;
  /** Epoch milliseconds, which then only go up; for tests. */
  readonly clock?: () => number;
  /**
   * Whether that user was deleted or locked, for apps with a login of their own: asked at each renewal,
   * and a session whose user is gone ends. Default: the user directory is asked.
   */
  readonly isUserDisabled?: (userId: string) => Promise<boolean>;
}

export type CurfewNode = Awaited<ReturnType<typeof createNode>>;

/**
 * @throws {ConfigError} when options are wrong.
 * @throws {Error} when what they name cannot be opened; then nothing is left open.
 */
export async function createNode(given: NodeOptions) {
  const { logger: ownLogger, backends: ownParts = {}, onAudit, isUserDisabled, ...others } = given;
  const { clock = Date.now, ...settings } = others;
  const options = checkOptions(settings);
  const logger = ownLogger ?? openLog(options.logLevel);
  const telemetry = await Telemetry.start(clock, lostLines);
  const logFault = faultLog(logger);
  const reportError = (what: string, error: unknown) => {
    telemetry.metrics.fault();
    logFault(what, error);
  };
  const parts = await openBackends(options, ownParts, reportError);
  const startup = startupReport({
    options,
    own: ownParts,
    keys: parts.ring.ids,
    warnings: parts.warnings,
    production: isProduction(),
  });
  for (const warning of startup.warnings) logger.warn(warning);
  const trail = auditTrail({ logger, clock, reportError, ...(onAudit && { onAudit }) });
  const audit = telemetry.metrics.counting(gathering(trail));
  const uptime = given.clock ?? (() => performance.now());
  const told = { logger, reportError, audit, telemetry };
  return assembleNode({ options, parts, startup, ...told, clock, uptime, isUserDisabled });
}

interface NodeParts {
  readonly options: Options;
  readonly parts: OpenBackends;
  readonly startup: StartupReport;
  readonly logger: Logger;
  readonly reportError: ReportError;
  readonly audit: Audit;
  readonly telemetry: Telemetry;
  readonly clock: () => number;
  readonly uptime: () => number;
  readonly isUserDisabled: NodeOptions["isUserDisabled"];
}

function assembleNode(ingredients: NodeParts) {
  const { options, parts, startup, logger, reportError, audit, clock, uptime } = ingredients;
  const { pubsub, users, ring, throttle } = parts;
  const { metrics, observer } = ingredients.telemetry;
  const store = ingredients.telemetry.measured(parts.store);
  const accounts = new Accounts(
    users,
    new Passwords({ cost: options, queue: nodeLimits.maxQueuedHashes }),
  );
  const deadlines = new Deadlines(clock(), reportError);
  const sessions = new Sessions({
    store,
    pubsub,
    ring,
    lifetimes: lifetimesOf(options),
    foreignReplays: options.foreignReplays,
    ...(options.maxSessionsPerUser > 0 && { maxSessionsPerUser: options.maxSessionsPerUser }),
    isUserDisabled: ingredients.isUserDisabled ?? ((userId) => accounts.isUserDisabled(userId)),
    clock,
    randomBytes,
    reportError,
    audit,
  });
  const connections = new Connections({
    sessions,
    pubsub,
    deadlines,
    clock,
    uptime,
    maxSocketsPerSession: options.maxSocketsPerSession,
    extendsByNetwork: options.renewalExtends === "same-network",
    reportError,
    observer,
  });
  const recheck = new Recheck({
    connections,
    deadlines,
    clock,
    uptime,
    recheckInterval: options.recheckInterval,
    outageGrace: options.outageGrace,
    reportError,
    observer,
    look: () => parts.look(),
  });
  pubsub.onMessagesMissed(() => {
    metrics.gap();
    recheck.now();
  });

  const events = new Events(pubsub);
  const list = (userId: string) => sessions.list(userId);
  const pause = (then: () => void) => void setTimeout(then, nodeLimits.watchPause).unref();
  const watches = new Watches({ pubsub, deadlines, clock, list, pause, reportError });
  const services: Services = {
    sessions,
    accounts,
    throttle,
    users,
    events,
    audit,
    clock,
    watch: (userId) => watches.watch(userId),
  };
  const ledger = new MemoryLedger({
    perSession: options.maxMemoryPerSession,
    byAddress: options.maxSocketsPerAddress > 0,
  });
  const perAddress = options.maxSocketsPerAddress || Infinity;
  /** What all transports of this node share. */
  const shared = {
    sessions,
    connections,
    ledger,
    admissionLimiter: new ConcurrencyLimiter(nodeLimits.admissions),
    admissionTimeout: nodeLimits.admissionTimeout,
    initTimeout: nodeLimits.initTimeout,
    stallTimeout: nodeLimits.stallTimeout,
    maxOperationsPerSocket: options.maxOperationsPerSocket,
    places: new ConnectionLimiter({ each: perAddress }),
    noteRefusal: (refusal: Refusal) => audit(refusalFact(refusal)),
    trustProxy: options.trustProxy,
    reportError,
    observer,
  };
  return {
    options,
    startup,
    logger,
    services,
    shared,
    admin: new Administration({ users, sessions, audit }),
    metrics,
    /** What this node cannot serve without. */
    checks: parts.checks,
    /** To be called when all connections have ended. */
    close: async () => {
      recheck.close();
      connections.close();
      await parts.close();
    },
  };
}
