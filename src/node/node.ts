/** Creates the part of a node that Curfew's own server and an app's server share: sessions, connections, backends. */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { auditTrail } from "../telemetry/audit-log.ts";
import { checkOptions, isProduction, type Options } from "../config/load.ts";
import type { Services } from "../graphql/context.ts";
import { Events } from "../graphql/events.ts";
import { errorLog, lostLines, openLog } from "../telemetry/logger.ts";
import { MemoryLedger } from "../connections/memory-ledger.ts";
import { lifetimesOf, openBackends, type OpenBackends, type Backends } from "./backends.ts";
import { nodeLimits } from "./limits.ts";
import type { Audit, AuditEvent } from "../session/audit.ts";
import { ConcurrencyLimiter } from "../lib/concurrency-limiter.ts";
import type { ReportError } from "../lib/report-error.ts";
import { Deadlines } from "../lib/deadlines.ts";
import { withTimeout } from "../lib/timeout.ts";
import { EndChannel } from "../session/end-channel.ts";
import { EndReplay } from "../session/end-replay.ts";
import { RecentEnds } from "../session/ends.ts";
import { Sessions, type SessionsOptions } from "../session/sessions.ts";
import { Watches } from "../session/watch.ts";
import { Connections } from "../connections/connections.ts";
import { ConnectionLimiter } from "../connections/connection-limiter.ts";
import { Recheck } from "../connections/recheck.ts";
import { refusalFact, type Refusal } from "../connections/refusals.ts";
import { gathering } from "../telemetry/gathered-facts.ts";
import { Telemetry } from "../telemetry/telemetry.ts";
import { backendReports } from "../telemetry/backend-reports.ts";
import { readinessOf } from "../http/health.ts";
import { startupReport, type StartupReport } from "./startup-report.ts";
import { Accounts } from "../users/accounts.ts";
import { Administration } from "../users/administration.ts";
import { Passwords } from "../users/passwords.ts";

/** The settings, and the parts that an app may provide itself. */
export interface NodeOptions extends Partial<Options> {
  /** @default pino, to standard output, at `logLevel` */
  readonly logger?: Logger;
  /** Replaces backends that the settings would choose. They are closed with the node. */
  readonly backends?: Partial<Backends>;
  /**
   * Called with each fact of the audit trail after it is logged: once, on the node where it happened. Its promise
   * is not awaited. An error is logged and has no other effect.
   */
  readonly onAudit?: (event: AuditEvent) => unknown;
  /** Returns epoch milliseconds, which must not decrease. For tests. */
  readonly clock?: () => number;
  /**
   * Returns whether a user was deleted or locked, for apps that sign users in themselves. Called at each renewal;
   * the session of a disabled user ends. Default: asks the user directory.
   */
  readonly isUserDisabled?: (userId: string) => Promise<boolean>;
}

export type CurfewNode = Awaited<ReturnType<typeof createNode>>;

/**
 * Checks the options, opens the backends and connects the parts of a node.
 *
 * @throws {ConfigError} if options are wrong.
 * @throws {Error} if a backend cannot be opened; then everything that was opened is closed.
 */
export async function createNode(given: NodeOptions) {
  const {
    logger: appLogger,
    backends: appBackends = {},
    onAudit,
    isUserDisabled,
    ...others
  } = given;
  const { clock = Date.now, ...settings } = others;
  const options = checkOptions(settings);
  const logger = appLogger ?? openLog(options.logLevel, nodeLimits.log);
  const telemetry = await Telemetry.start(clock, lostLines);
  const logError = errorLog(logger);
  const reportError = (what: string, error: unknown) => {
    telemetry.metrics.fault();
    logError(what, error);
  };
  const reports = backendReports(logger, telemetry.metrics.backends);
  const backends = await openBackends(options, appBackends, reportError, reports);
  const readiness = readinessOf(backends.checks, nodeLimits.readinessTimeout, () => false);
  telemetry.metrics.backends.showParts(async () => (await readiness()).parts);
  const startup = startupReport({
    options,
    appBackends,
    keys: backends.ring.ids,
    warnings: backends.warnings,
    production: isProduction(),
  });
  for (const warning of startup.warnings) logger.warn(warning);
  const trail = auditTrail({ logger, clock, reportError, ...(onAudit && { onAudit }) });
  const audit = telemetry.metrics.counting(gathering(trail));
  const uptime = given.clock ?? (() => performance.now());
  const observability = { startup, logger, reportError, audit, telemetry };
  const node = assembleNode({ options, backends, ...observability, clock, uptime, isUserDisabled });
  await node.open();
  return node;
}

interface NodeParts {
  readonly options: Options;
  readonly backends: OpenBackends;
  readonly startup: StartupReport;
  readonly logger: Logger;
  readonly reportError: ReportError;
  readonly audit: Audit;
  readonly telemetry: Telemetry;
  readonly clock: () => number;
  readonly uptime: () => number;
  readonly isUserDisabled: NodeOptions["isUserDisabled"];
}

/** How sessions look up their users. If the app decides which users are disabled, no security version ends a session. */
function userLookups(
  accounts: Accounts,
  isUserDisabled: NodeOptions["isUserDisabled"],
): Pick<SessionsOptions, "userStatus" | "securityVersionOf" | "comparesSecurityVersions"> {
  if (isUserDisabled === undefined)
    return {
      userStatus: (userId) => accounts.status(userId),
      securityVersionOf: async (userId) => (await accounts.status(userId)).securityVersion,
    };
  return {
    userStatus: async (userId) => ({ disabled: await isUserDisabled(userId), securityVersion: 0 }),
    comparesSecurityVersions: false,
  };
}

function assembleNode(parts: NodeParts) {
  const { options, backends, startup, logger, reportError, audit, clock, uptime } = parts;
  const { pubsub, users, ring, throttle } = backends;
  const { metrics, observer } = parts.telemetry;
  const store = parts.telemetry.measured(backends.store);
  const accounts = new Accounts(
    users,
    new Passwords({ cost: options, queue: nodeLimits.maxQueuedHashes }),
  );
  const deadlines = new Deadlines(clock(), reportError);
  const ends = new RecentEnds({
    window: options.rememberEnds,
    capacity: options.maxRememberedEnds,
    uptime,
  });
  metrics.watchEnds(ends);
  const pauses = {
    pause: (milliseconds: number) => delay(milliseconds, undefined, { ref: false }),
    random: Math.random,
  };
  const sessions = new Sessions({
    store,
    ends,
    pubsub,
    ring,
    lifetimes: lifetimesOf(options),
    foreignReplays: options.foreignReplays,
    ...(options.maxSessionsPerUser > 0 && { maxSessionsPerUser: options.maxSessionsPerUser }),
    ...userLookups(accounts, parts.isUserDisabled),
    passwordChangePause: () => pauses.pause(nodeLimits.passwordChangePause),
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
  const endChannel = new EndChannel({
    ...pauses,
    ends,
    pubsub,
    nodeId: randomUUID(),
    clock,
    uptime,
    reportError,
    onEnd: (end) => connections.endSession(end),
    onTakeover: () => endReplay.begin(),
  });
  sessions.onLocalChange((change) => {
    if (change.type !== "ended") return;
    const { fingerprint, reason, at = clock() } = change;
    endChannel.noteOwn({ fingerprint, reason, at });
  });
  const endReplay = new EndReplay({
    ...pauses,
    ends,
    store,
    endAgain: (end) => sessions.endAgain(end),
    clock,
    onReplay: (lost) => metrics.endsReplayed(lost),
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
    look: () => backends.look(),
  });
  pubsub.onMessagesMissed(() => {
    metrics.gap();
    recheck.now();
  });

  const events = new Events(pubsub);
  const list = (userId: string) => sessions.list(userId);
  const wait = (milliseconds: number, then: () => void) =>
    void setTimeout(then, milliseconds).unref();
  const rereads = { ...nodeLimits.watchRereads, wait, random: Math.random };
  const watches = new Watches({
    pubsub,
    deadlines,
    clock,
    list,
    readMany: (fingerprints) => sessions.readMany(fingerprints),
    pause: (then) => wait(nodeLimits.watchPause, then),
    rereads,
    reportError,
  });
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
  /** Passed to all transports of this node. */
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
    admin: new Administration({ users, sessions, audit, clock }),
    metrics,
    /** The readiness checks of the backends. */
    checks: backends.checks,
    /** Takes over what other nodes know. Call it once, before the node serves. */
    open: () => withTimeout(endChannel.open(), nodeLimits.takeOverTimeout),
    /** Closes the node. Call it after all connections have ended. */
    close: async () => {
      recheck.close();
      endChannel.close();
      endReplay.close();
      connections.close();
      watches.close();
      await backends.close();
    },
  };
}
