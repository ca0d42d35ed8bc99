/** The settings that bound what one client may take. */

export interface Limits {
  /**
   * Live sessions of one user; a login beyond that ends his oldest ones. 0 sets no limit.
   *
   * @default 100
   */
  readonly maxSessionsPerUser: number;
  /**
   * Sockets and SSE streams of one session on one node.
   *
   * @default 100
   */
  readonly maxSocketsPerSession: number;
  /**
   * Operations running at once on one socket.
   *
   * @default 100
   */
  readonly maxOperationsPerSocket: number;
  /**
   * Sockets and SSE streams of one address on one node. 0 sets no limit, here and for the hundred of them
   * that nobody need have signed in on yet.
   *
   * @default 1_000
   */
  readonly maxSocketsPerAddress: number;
  /**
   * Bytes that the running operations of one session may keep on one node. One operation may keep a quarter of
   * that, one user four times as much, and one address eight times as much; `maxSocketsPerAddress` 0 sets
   * no limit by address here either.
   *
   * @default 8_388_608 (8 MiB)
   */
  readonly maxMemoryPerSession: number;
  /**
   * Bytes of one HTTP body, or of one message on a socket.
   *
   * @default 262_144 (256 KiB)
   */
  readonly maxMessageSize: number;
  /**
   * Names, values and punctuation marks of one GraphQL document.
   *
   * @default 5_000
   */
  readonly maxQueryTokens: number;
  /**
   * Fields within fields of one operation.
   *
   * @default 30
   */
  readonly maxQueryDepth: number;
  /**
   * Aliases of one operation. As for each of these limits, a fragment counts wherever it is spread.
   *
   * @default 100
   */
  readonly maxQueryAliases: number;
  /**
   * Directives of one operation.
   *
   * @default 100
   */
  readonly maxQueryDirectives: number;
  /**
   * Fields that the answer to one operation would have if each list in it had ten items.
   *
   * @default 200_000
   */
  readonly maxQueryCost: number;
}
