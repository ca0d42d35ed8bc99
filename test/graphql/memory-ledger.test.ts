/** The memory ledger charges bytes by operation, session, user and address, and releases them. */
import { describe, expect, it } from "vitest";
import { MemoryLedger } from "../../src/connections/memory-ledger.ts";

const perSession = 1_000;
const ada = { fingerprint: "one", userId: "ada", ipAddress: "192.0.2.1" };

describe("charged bytes", () => {
  it("of one operation are at most a quarter of a session's limit", () => {
    const ledger = new MemoryLedger({ perSession });
    expect(ledger.operation(ada, 251)).toBeUndefined();
    expect(ledger.size).toBe(0);
    expect(ledger.operation(ada, 250)).toBeDefined();
  });

  it("are limited by session, by user and by address", () => {
    const ledger = new MemoryLedger({ perSession });
    let count = 0;
    const fill = (owner: Parameters<MemoryLedger["charge"]>[0]) => {
      const before = count;
      while (ledger.charge(owner, 100) !== undefined) count += 1;
      return count - before;
    };
    expect(fill(ada)).toBe(10);
    for (const fingerprint of ["two", "three", "four"])
      expect(fill({ ...ada, fingerprint })).toBe(10);
    expect(fill({ ...ada, fingerprint: "five", ipAddress: "192.0.2.2" })).toBe(0);
    const bob = { ...ada, userId: "bob" };
    expect(fill({ ...bob, fingerprint: "six" })).toBe(10);
    expect(fill({ ipAddress: ada.ipAddress })).toBe(30);
    expect(fill({ ...bob, fingerprint: "seven" })).toBe(0);
    expect(fill({ ...bob, fingerprint: "seven", ipAddress: "192.0.2.2" })).toBe(10);
  });

  it("of one IPv6 network count together, and so do those of unknown addresses", () => {
    const ledger = new MemoryLedger({ perSession: 10 });
    const network = (last: string) => ({ ipAddress: `2001:db8::${last}` });
    for (let i = 0; i < 8; i += 1) expect(ledger.charge(network(`${i}`), 10)).toBeDefined();
    expect(ledger.charge(network("ffff"), 1)).toBeUndefined();
    expect(ledger.charge({ ipAddress: "2001:db8:0:1::" }, 10)).toBeDefined();
    expect(ledger.charge({ ipAddress: null }, 80)).toBeDefined();
    expect(ledger.charge({ ipAddress: null }, 1)).toBeUndefined();
  });

  it("are not limited by address if sockets are not", () => {
    const ledger = new MemoryLedger({ perSession: 10, byAddress: false });
    expect(ledger.charge({ ipAddress: "192.0.2.1" }, 1_000_000)).toBeDefined();
    expect(ledger.charge({ ...ada }, 11)).toBeUndefined();
  });

  it("are released once and completely", () => {
    const ledger = new MemoryLedger({ perSession });
    const charges = Array.from({ length: 10 }, () => ledger.charge(ada, 100));
    expect(ledger.charge(ada, 1)).toBeUndefined();
    charges[0]?.release();
    charges[0]?.release();
    expect(ledger.charge(ada, 100)).toBeDefined();
    expect(ledger.charge(ada, 1)).toBeUndefined();
    for (const charge of charges) charge?.release();
    expect(ledger.size).toBe(3 * 100);
  });

  it("that would grow past a limit stay unchanged", () => {
    const ledger = new MemoryLedger({ perSession });
    const charge = ledger.charge(ada, 600);
    expect(charge?.resize(1_001)).toBe(false);
    expect(ledger.size).toBe(3 * 600);
    expect(charge?.resize(1_000)).toBe(true);
    expect(charge?.resize(10)).toBe(true);
    expect(ledger.charge(ada, 990)).toBeDefined();
    charge?.release();
    expect(ledger.size).toBe(3 * 990);
  });
});
