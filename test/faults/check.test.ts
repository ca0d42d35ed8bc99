/** The checker on constructed traces: it accepts every allowed history and reports each violation. */
import { describe, expect, it } from "vitest";
import { check } from "./check.ts";
import type { Entry, Invoke, Operation, Outcome } from "./trace.ts";

type Result = Partial<Omit<Outcome, "at" | "op">>;

const bounds = { end: 100, endOnSameNode: 50, outage: 1000, grace: 10_000 };
let ops = 0;

/** An operation of session s on node a, with its start and end time. */
function op(
  name: Operation,
  [from, to]: readonly [number, number],
  { kind = "ok", ...result }: Result = {},
  invocation: Partial<Invoke> = {},
): Entry[] {
  ops += 1;
  const owner = name === "login" ? {} : { session: "s" };
  return [
    { kind: "invoke", at: from, op: ops, name, node: "a", ...owner, ...invocation },
    { kind, at: to, op: ops, ...(name === "login" && { session: "s" }), ...result },
  ];
}

const login = () => op("login", [0, 10]);
const logout = (result?: Result, node = "b") => op("logout", [1000, 1010], result, { node });
const connect = (from = 20) => op("connect", [from, from + 10], { connection: 1 });
const close = (at: number, code = 4401): Entry[] => [{ kind: "close", at, connection: 1, code }];
const delivery = (at: number): Entry[] => [{ kind: "delivery", at, connection: 1 }];
const wiped = (at: number): Entry[] => [{ kind: "wiped", at }];
const everybodyEnded = (at: number, until: number): Entry[] => [
  { kind: "everybodyEnded", at, until },
];
const forgotten = (at: number, until: number, closesFrom = at): Entry[] => [
  { kind: "forgotten", at, sessions: ["s"], until, closesFrom },
];
const outage = (at: number, until: number, nodes = ["a"]): Entry[] => [
  { kind: "outage", at, until, nodes },
];
/** The samples of a node that was delayed only between two times of a run. */
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

describe("the checker accepts", () => {
  it.each<[string, Entry[][]]>([
    [
      "a connection that closes within the bound",
      [connect(), delivery(900), logout(), close(1110)],
    ],
    [
      "a connection that closes late because its node was delayed",
      [connect(), logout(), delayed(1050, 1250), close(1300)],
    ],
    [
      "a connection that closes late in an outage because its node was delayed",
      [connect(), outage(500, 3000), delayed(800, 1100), close(1700, 1013)],
    ],
    ["a use that began before the acknowledged end", [logout(), op("use", [1005, 1200])]],
    [
      "a use after a logout of unknown outcome",
      [logout({ kind: "unknown" }), op("use", [1100, 1110])],
    ],
    [
      "a refusal after a logout of unknown outcome",
      [logout({ kind: "unknown" }), renew(1100, ended), renew(1200, ended)],
    ],
    ["a refusal during the logout", [logout(), op("use", [900, 1005], ended)]],
    ["a connection that the client closes", [connect(), close(500, 1005)]],
    ["a connection that an outage closes", [connect(), outage(100, 5000), close(1000, 1013)]],
    [
      "a connection that stays open in an outage shorter than the grace period",
      [connect(), outage(100, 1000), stop(5000)],
    ],
    [
      "a connection that stays open on a node outside the outage",
      [connect(), outage(100, 5000, ["b"]), stop(5000)],
    ],
    ["a connection accepted while its session ends", [connect(1005), logout(), close(1110)]],
    [
      "a renewal with the same response from two nodes",
      [renew(100, pair("x")), renew(100, pair("x"), "b")],
    ],
    [
      "a stream accepted before the trace could record it",
      [open(900, 1400), logout(), close(1110)],
    ],
    [
      "a retry of a renewal after the grace period that is refused as reuse",
      [renew(100, unknown), renew(10_101, reused), op("use", [10_300, 10_301], ended)],
    ],
    [
      "an end by such a retry whose own response is lost",
      [renew(100, unknown), renew(10_101, unknown), op("use", [10_300, 10_301], ended)],
    ],
    ["a retry of a renewal that returns a pair", [renew(100, unknown), renew(200, pair("x"))]],
    [
      "a login with unknown outcome when the store loses its data",
      [op("login", [40, 60]), wiped(50), use(100)],
    ],
    ["a use while no node knows of the end", [logout(), forgotten(1020, 1500), use(1499)]],
    [
      "a connection that opens in that time and closes within the bound afterwards",
      [logout(), forgotten(1020, 1500, 1500), connect(1300), delivery(1590), close(1600)],
    ],
    [
      "a use and a refusal while an operator ends everybody's sessions",
      [login(), everybodyEnded(100, 200), use(150), op("use", [150, 160], ended)],
    ],
    [
      "a session that begins while an operator ends everybody's sessions",
      [op("login", [110, 120]), everybodyEnded(100, 200), use(300)],
    ],
    [
      "a refusal of a session that the store has lost",
      [login(), wiped(50), op("use", [60, 70], ended)],
    ],
  ])("%s", (_, parts) => expect(broken(...parts)).toEqual([]));
});

describe("the checker reports", () => {
  it.each<[string, string, Entry[][]]>([
    ["ACCEPTED_AFTER_END", "a use after the acknowledged end", [logout(), use(1011)]],
    [
      "ACCEPTED_AFTER_END",
      "a renewal after the acknowledged end",
      [logout(), renew(1011, pair("x"))],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a socket accepted after the acknowledged end",
      [logout(), connect(1011), close(1030)],
    ],
    [
      "ACCEPTED_AFTER_END",
      "an operation after the acknowledged end",
      [logout(), op("operation", [1011, 1012])],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a use after a response has reported the end",
      [logout(unknown), op("use", [1100, 1110], ended), use(1111)],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a use after a close code has reported the end",
      [connect(), logout(unknown), close(1100), use(1111)],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a use of a session that the store has lost",
      [login(), wiped(50), use(60)],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a use after the time in which no node knows of the end",
      [logout(), forgotten(1020, 1500), use(1501)],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a use before the time in which no node knows of the end",
      [logout(), forgotten(1020, 1500), use(1015)],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a use after an operator has ended everybody's sessions",
      [login(), everybodyEnded(100, 200), use(201)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a connection from before the end that closes late although no node knows of the end later",
      [connect(), logout(), forgotten(1020, 1500), close(1111)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a connection that opens while no node knows of the end, and closes late",
      [logout(), forgotten(1020, 1500, 1500), connect(1300), close(1601)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a connection that closes late on another node",
      [connect(), logout(), close(1111)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a connection that closes late on the node that acknowledged the end",
      [connect(), logout({}, "a"), close(1061)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a stream, measured from its acceptance",
      [logout(), open(999, 1499), close(1111)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a connection that closes later than its node's delay explains",
      [connect(), logout(), delayed(1050, 1250), close(1311)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a late close when the delay was before the end or on another node",
      [connect(), logout(), delayed(700, 900), delayed(1050, 1250, "b"), close(1300)],
    ],
    [
      "OPEN_PAST_BOUND",
      "a very late close although its node was delayed all the time",
      [connect(), logout(), delayed(1010, 9000), close(9000)],
    ],
    ["OPEN_PAST_BOUND", "a connection that never closes", [connect(), logout(), stop(2000)]],
    [
      "OPEN_IN_OUTAGE",
      "a connection that stays open in a long outage",
      [connect(), outage(100, 5000), stop(5000)],
    ],
    [
      "TWO_SUCCESSORS",
      "two renewals of one generation with different pairs",
      [renew(100, pair("x")), renew(200, pair("y"))],
    ],
    [
      "REUSED",
      "a reuse whose attempts lie within the grace period",
      [renew(100, unknown), renew(10_095, reused)],
    ],
    [
      "REUSED",
      "a reuse whose first attempt was executed after an outage",
      [outage(50, 5000), renew(100, unknown), renew(10_101, reused)],
    ],
    [
      "REUSED",
      "a reuse whose first attempt cannot have arrived before an outage",
      [
        [{ kind: "slow", at: 0, by: 300 }],
        outage(150, 5000),
        renew(100, unknown),
        renew(10_401, reused),
      ],
    ],
    ["REUSED", "a reuse without a second attempt", [renew(100, reused)]],
    [
      "ENDED_WITHOUT_END",
      "an end before the grace period is over",
      [renew(100, unknown), op("use", [9000, 9010], ended), renew(10_101, unknown)],
    ],
    [
      "ENDED_WITHOUT_END",
      "an end that no client requested",
      [op("use", [100, 110], ended), logout()],
    ],
    [
      "ENDED_WITHOUT_END",
      "a close code for an end that no client requested",
      [connect(), close(500)],
    ],
    [
      "ENDED_BY_OUTAGE",
      "a close code for an end during an outage",
      [connect(), outage(400, 900), close(500)],
    ],
    [
      "ACCEPTED_AFTER_END",
      "a use after a reported reuse",
      [renew(1, unknown), renew(10_010, reused), use(10_016)],
    ],
    [
      "DELIVERED_PAST_BOUND",
      "a delivery after the close of its connection",
      [connect(), close(50, 1005), delivery(51)],
    ],
    ["UNEXPECTED", "an unknown close code", [connect(), close(50, 1011)]],
    ["UNEXPECTED", "an internal error", [op("use", [1, 2], { kind: "fail", reason: "INTERNAL" })]],
  ])("%s: %s", (rule, _, parts) => expect(broken(...parts)).toEqual([rule]));

  it("DELIVERED_PAST_BOUND: a delivery on a connection that is open past its bound", () => {
    expect(broken(connect(), logout(), delivery(1111), close(1112))).toEqual([
      "OPEN_PAST_BOUND",
      "DELIVERED_PAST_BOUND",
    ]);
  });
});

it("the verdict contains the longest time that a connection was open after an end or in an outage", () => {
  expect(verdictOn(connect(), logout(), close(1050))).toMatchObject({ worst: 40, closes: 1 });
  expect(verdictOn(connect(), close(500, 1005), logout())).toMatchObject({ worst: 0, closes: 0 });
  expect(verdictOn(connect(), outage(100, 5000), close(900, 1013)).worst).toBe(800);
});

it("the verdict contains the uses that were accepted while no node knew of the end", () => {
  const verdict = verdictOn(logout(), forgotten(1020, 1500), use(1100), use(1200), use(1600));
  expect(verdict).toMatchObject({ acceptedWhileForgotten: 2, lastAccepted: 180 });
  expect(verdict.violations.map(({ rule }) => rule)).toEqual(["ACCEPTED_AFTER_END"]);
});
