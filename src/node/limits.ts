/**
 * The time limits and capacities of one node that are not settings, in one place for operators. The parts receive
 * them as arguments. Names that end in `Timeout` or `Interval` are milliseconds.
 */
export const nodeLimits = {
  /** Longest wait for the session check of a new socket or stream, its time in the queue included (ms). */
  admissionTimeout: 5_000,
  /**
   * Session checks of new sockets and streams: how many run at once, how many wait, and how many of those wait for one
   * session. As many wait as a store that takes a second each checks within `admissionTimeout`.
   */
  admissions: { atOnce: 100, waiting: 400, waitingEach: 100 },
  /** How long a new socket may take to send its `connection_init` (ms). The client may renew its token meanwhile. */
  initTimeout: 10_000,
  /** How long a client may read nothing of an HTTP answer before it is cut (ms). Yoga sends a comment on each stream every 12 s. */
  stallTimeout: 30_000,
  /** Time between pings on a socket (ms). A socket that did not answer the last ping is terminated at the next. */
  keepAliveInterval: 12_000,
  /** Sockets on which no client has signed in yet, in total. */
  maxUnauthenticatedSockets: 1_000,
  /** Sockets of one address on which no client has signed in yet. No limit if `maxSocketsPerAddress` is 0. */
  maxUnauthenticatedSocketsPerAddress: 100,
  /** Pause between slices of deliveries to the watchers of one user (ms): a tenth of a core at most. */
  watchPause: 20,
  /** Password hashes that wait for a thread. More are refused with a request to retry. */
  maxQueuedHashes: 64,
  /** How long `/ready` waits for a part's answer (ms). A part without an answer is down. */
  readinessTimeout: 1_000,
  redis: {
    /** How long a command waits for its answer (ms). One that waits for a batch before it may take twice as long. */
    commandTimeout: 1_000,
    /** How long a connection attempt, or an answer that is due, may take before the connection is dropped (ms). */
    linkTimeout: 3_000,
    /** Time between probes of the connection that receives messages (ms). */
    probeInterval: 1_000,
  },
  postgres: {
    /** How long a query waits for a connection: a new one, or one of the pool (ms). */
    connectTimeout: 3_000,
    /** How long the database works on one statement (ms). Less than `answerTimeout`, so that the database gives up first. */
    statementTimeout: 2_000,
    /** How long a query waits for the database's answer (ms). */
    answerTimeout: 3_000,
    /** How long a start waits for other starts and for its own changes to the tables (ms). */
    migrationTimeout: 60_000,
    /** How long a stopping node waits for queries in flight (ms). */
    closeTimeout: 1_000,
    /** Connections to the database. */
    maxConnections: 10,
  },
  sqlite: {
    /** How long a write waits for another process that writes (ms). The event loop waits with it. */
    busyTimeout: 1_000,
  },
} as const;
