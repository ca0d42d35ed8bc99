/** The checker on traces that are made up: it accepts what may be, and finds each rule broken that is broken. */
import { describe, expect, it } from "vitest";
import { check } from "./check.ts";
import type { Entry, Invoke, Operation, Outcome } from "./trace.ts";

type Result = Partial<Omit<Outcome, "at" | "op">>;

const bounds = { end: 100, own: 50, outage: 1000, grace: 10_000 };
let ops = 0;

/** One operation of session s on node a, from one time to the other. */
function op(
  name: Operation,
  [from, to]: readonly [number, number],
  { kind = "ok", ...result }: Result = {},
  invocation: Partial<Invoke> = {},
): Entry[] {
  ops += 1;
  const whose = name === "login" ? {} : { session: "s" };
  return [
    { kind: "invoke", at: from, op: ops, name, node: "a", ...whose, ...invocation },
    { kind, at: to, op: ops, ...(name === "login" && { session: "s" }), ...result },
  ];
}

const login = () => op("login", [0, 10]);
const logout = (result?: Result, node = "b") => op("logout", [1000, 1010], result, { node });
const connect = (from = 20) => op("connect", [from, from + 10], { connection: 1 });
const close = (at: number, code = 4401): Entry[] => [{ kind: "close", at, connection: 1, code }];
const delivery = (at: number): Entry[] => [{ kind: "delivery", at, connection: 1 }];
const wiped = (at: number): Entry[] => [{ kind: "wiped", at }];
const outage = (at: number, until: number, nodes = ["a"]): Entry[] => [
  { kind: "outage", at, until, nodes },
];
/** From the beginning to the end of a run, the node was held up for so long, all of it between two moments. */
const delayed = (from: number, to: number, node = "a"): Entry[] => [
  { kind: "delayed", at: 0, node, by: 0 },
  { kind: "delayed", at: from, node, by: 0 },
  { kind: "delayed", at: to, node, by: to - from },
  { kind: "delayed", at: 10_000, node, by: to - from },
];
const open = (opened: number, at: number) => op("connect", [opened, at], { connection: 1, opened });
const stop = (at: number): Entry[] => op("login", [at, at], { session: "another" });
const renew = (at: number, result: Result, node = "a") =>
  op("renew", [at, at + 5], result, { generation: 0, node });

const reused = { kind: "fail", reason: "REUSED" } as const;
const ended = { kind: "fail", reason: "ENDED" } as const;
const unknown = { kind: "unknown" } as const;
const pair = (successor: string) => ({ successor });
const use = (at: number) => op("use", [at, at + 10]);

function verdictOn(...parts: Entry[][]) {
  return check(parts.flat(), bounds);
}
function broken(...parts: Entry[][]) {
  return verdictOn(...parts).violations.map(({ rule }) => rule);
}

describe("what is promised", () => {
  it.each<[string, Entry[][]]>([
    ["a session that ends in time", [connect(), delivery(900), logout(), close(1110)]],
    ["one whose node was held up", [connect(), logout(), delayed(1050, 1250), close(1300)]],
    [
      "an outage in which it was",
      [connect(), outage(500, 3000), delayed(800, 1100), close(1700, 1013)],
    ],
    ["a use that began before the end", [logout(), op("use", [1005, 1200])]],
    ["a use after an end that is unknown", [logout({ kind: "unknown" }), op("use", [1100, 1110])]],
    ["a refusal after one", [logout({ kind: "unknown" }), renew(1100, ended), renew(1200, ended)]],
    ["a refusal while it ends", [logout(), op("use", [900, 1005], ended)]],
    ["a connection of one who left", [connect(), close(500, 1005)]],
    ["one that was told to come back", [connect(), outage(100, 5000), close(1000, 1013)]],
    ["one that outlives a short outage", [connect(), outage(100, 1000), stop(5000)]],
    ["one on a node that can ask the store", [connect(), outage(100, 5000, ["b"]), stop(5000)]],
    ["one that was let in as its session ended", [connect(1005), logout(), close(1110)]],
    [
      "a renewal that two nodes answered alike",
      [renew(100, pair("x")), renew(100, pair("x"), "b")],
    ],
    ["a stream that was let in before it could be known", [open(900, 1400), logout(), close(1110)]],
    [
      "a renewal that is asked for again when the grace is over",
      [renew(100, unknown), renew(10_101, reused), op("use", [10_300, 10_301], ended)],
    ],
    [
      "an end by one whose answer was lost too",
      [renew(100, unknown), renew(10_101, unknown), op("use", [10_300, 10_301], ended)],
    ],
    ["a renewal that is asked for again", [renew(100, unknown), renew(200, pair("x"))]],
    ["a login that the store survived or not", [op("login", [40, 60]), wiped(50), use(100)]],
    ["a refusal of what the store has lost", [login(), wiped(50), op("use", [60, 70], ended)]],
  ])("is kept by %s", (_, parts) => expect(broken(...parts)).toEqual([]));
});

describe("what is broken", () => {
  it.each<[string, string, Entry[][]]>([
    ["ACCEPTED_AFTER_END", "a use after the end", [logout(), use(1011)]],
    ["ACCEPTED_AFTER_END", "a renewal after it", [logout(), renew(1011, pair("x"))]],
    ["ACCEPTED_AFTER_END", "a socket let in after it", [logout(), connect(1011), close(1030)]],
    ["ACCEPTED_AFTER_END", "an operation after it", [logout(), op("operation", [1011, 1012])]],
    [
      "ACCEPTED_AFTER_END",
      "a use after somebody was told of it",
      [logout(unknown), op("use", [1100, 1110], ended), use(1111)],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a use after a socket was told of it",
      [connect(), logout(unknown), close(1100), use(1111)],
    ],
    ["ACCEPTED_AFTER_END", "a use of what the store has lost", [login(), wiped(50), use(60)]],
    ["OPEN_PAST_BOUND", "a connection that closes late", [connect(), logout(), close(1111)]],
    [
      "OPEN_PAST_BOUND",
      "one that closes late where the end was acknowledged",
      [connect(), logout({}, "a"), close(1061)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a stream, from when it was let in",
      [logout(), open(999, 1499), close(1111)],
    ],
    [
      "OPEN_PAST_BOUND",
      "one that closes later than its node was held up",
      [connect(), logout(), delayed(1050, 1250), close(1311)],
    ],
    [
      "OPEN_PAST_BOUND",
      "one whose node was held up before the end, or whose neighbour was after it",
      [connect(), logout(), delayed(700, 900), delayed(1050, 1250, "b"), close(1300)],
    ],
    [
      "OPEN_PAST_BOUND",
      "one that closes very late, although its node was held up all the time",
      [connect(), logout(), delayed(1010, 9000), close(9000)],
    ],
    ["OPEN_PAST_BOUND", "one that never closes", [connect(), logout(), stop(2000)]],
    [
      "OPEN_IN_OUTAGE",
      "one that outlives a long outage",
      [connect(), outage(100, 5000), stop(5000)],
    ],
    ["TWO_SUCCESSORS", "a forked renewal", [renew(100, pair("x")), renew(200, pair("y"))]],
    [
      "REUSED",
      "one whose asks lie within the grace of each other",
      [renew(100, unknown), renew(10_095, reused)],
    ],
    [
      "REUSED",
      "one whose first ask was carried out after an outage",
      [outage(50, 5000), renew(100, unknown), renew(10_101, reused)],
    ],
    [
      "REUSED",
      "one whose first ask cannot have come through before it",
      [
        [{ kind: "slow", at: 0, by: 300 }],
        outage(150, 5000),
        renew(100, unknown),
        renew(10_401, reused),
      ],
    ],
    ["REUSED", "one who asked but once", [renew(100, reused)]],
    [
      "ENDED_WITHOUT_END",
      "an end before the grace was over",
      [renew(100, unknown), op("use", [9000, 9010], ended), renew(10_101, unknown)],
    ],
    ["ENDED_WITHOUT_END", "an end that nobody asked for", [op("use", [100, 110], ended), logout()]],
    ["ENDED_WITHOUT_END", "a socket told so", [connect(), close(500)]],
    ["ENDED_BY_OUTAGE", "the same in an outage", [connect(), outage(400, 900), close(500)]],
    [
      "ACCEPTED_AFTER_END",
      "a use after a reuse",
      [renew(1, unknown), renew(10_010, reused), use(10_016)],
    ],
    [
      "DELIVERED_PAST_BOUND",
      "a delivery after the close",
      [connect(), close(50, 1005), delivery(51)],
    ],
    ["UNEXPECTED", "a code", [connect(), close(50, 1011)]],
    ["UNEXPECTED", "an error", [op("use", [1, 2], { kind: "fail", reason: "INTERNAL" })]],
  ])("%s: %s", (rule, _, parts) => expect(broken(...parts)).toEqual([rule]));

  it("DELIVERED_PAST_BOUND: a delivery on a connection that should be closed", () => {
    expect(broken(connect(), logout(), delivery(1111), close(1112))).toEqual([
      "OPEN_PAST_BOUND",
      "DELIVERED_PAST_BOUND",
    ]);
  });
});

it("measures the longest that a connection was open after the end, or in an outage", () => {
  expect(verdictOn(connect(), logout(), close(1050))).toMatchObject({ worst: 40, closes: 1 });
  expect(verdictOn(connect(), close(500, 1005), logout())).toMatchObject({ worst: 0, closes: 0 });
  expect(verdictOn(connect(), outage(100, 5000), close(900, 1013)).worst).toBe(800);
});
