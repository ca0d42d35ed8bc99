/**
 * The time limits and capacities of one node that are not settings, in one place for operators. The other modules
 * receive them as arguments. Names that end in `Timeout`, `Interval` or `Pause` are milliseconds.
 */
export const nodeLimits = {
  /** Longest wait for the session check of a new socket or stream, its time in the queue included (ms). */
  admissionTimeout: 5_000,
  /**
   * Session checks of new sockets and streams: how many run at once, how many wait, and how many wait for one session.
   * The queue is as long as a store that takes 1 s per check can serve within `admissionTimeout`.
   */
  admissions: { atOnce: 100, waiting: 400, waitingEach: 100 },
  /** How long a new socket may take to send `connection_init` (ms). The client may renew its token meanwhile. */
  initTimeout: 10_000,
  /**
   * How long a client may read nothing of an HTTP response before the connection is terminated (ms). Yoga sends a
   * comment on each stream every 12 s.
   */
  stallTimeout: 30_000,
  /** Time between keep-alive pings on a socket (ms). A socket that missed the last one is terminated at the next. */
  keepAliveInterval: 12_000,
  /** Sockets that have not authenticated yet, in total. */
  maxUnauthenticatedSockets: 1_000,
  /** Sockets of one address that have not authenticated yet. No limit if `maxSocketsPerAddress` is 0. */
  maxUnauthenticatedSocketsPerAddress: 100,
  /** Pause between batches of deliveries to the watchers of one user (ms). They take a tenth of a core at most. */
  watchPause: 20,
  /**
   * How long a password change may take between its step in the user directory and its step in the session store (ms).
   * A renewal by the same session that falls between them waits this long before it is judged.
   */
  passwordChangePause: 1_000,
  /** Password hashes that wait for a thread. Further attempts are refused, with the time to retry after. */
  maxQueuedHashes: 64,
  /** How long `/ready` waits for a store or database (ms). One that does not answer counts as down. */
  readinessTimeout: 1_000,
  log: {
    /** Characters that may wait for the log's reader. Further lines are dropped and counted. */
    maxWaiting: 4 * 1024 * 1024,
    /** How long the exit of the process waits for the log's reader (ms). */
    flushTimeout: 1_000,
  },
  redis: {
    /** How long a command waits for its reply (ms). One that waits for an earlier batch may take twice as long. */
    commandTimeout: 1_000,
    /** How long a connection attempt, or a reply that is due, may take before the connection is closed (ms). */
    linkTimeout: 3_000,
    /** Time between probes of the connection that receives messages (ms). */
    probeInterval: 1_000,
    /** How long the end of a session waits for the replicas of `END_REPLICAS` (ms). */
    replicaTimeout: 1_000,
  },
  postgres: {
    /** How long a query waits for a connection of the pool, new or reused (ms). */
    connectTimeout: 3_000,
    /** How long the database runs one statement (ms). Less than `answerTimeout`, so that the database gives up first. */
    statementTimeout: 2_000,
    /** How long a query waits for the database's answer (ms). */
    answerTimeout: 3_000,
    /** How long a start waits for migrations: those of other starts, and its own (ms). */
    migrationTimeout: 60_000,
    /** How long a stopping node waits for in-flight queries (ms). */
    closeTimeout: 1_000,
    /** Connections of the pool. */
    maxConnections: 10,
  },
  sqlite: {
    /** How long a write waits for the lock of another process (ms). It blocks the event loop. */
    busyTimeout: 1_000,
  },
} as const;
