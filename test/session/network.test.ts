/** Networks of client addresses. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  countedNetworksOf,
  isSameNetwork,
  networkOf,
  networkPathOf,
  sessionNetworkOf,
} from "../../src/lib/client-network.ts";

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["192.0.2.1:50123", "192.0.2.1"],
  ["[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2::1]", "2001:db8:1:2::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:0001:2::1", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8::/64"],
  ["::1", "::/64"],
  ["fe80::1%eth0", "fe80::/64"],
  ["1::2:3:4:5:6:7", "1:0:2:3::/64"],
])("the address %s has the network %s", (address, network) =>
  expect(networkOf(address)).toBe(network),
);

test.each([
  "::ffff:192.0.2.1",
  "::FFFF:192.0.2.1",
  "::ffff:c000:201",
  "0:0:0:0:0:ffff:192.0.2.1",
  "[::ffff:192.0.2.1]:443",
  "64:ff9b::c000:201",
  "64:ff9b::192.0.2.1",
])("the IPv4 address inside %s counts as itself", (address) =>
  expect(networkOf(address)).toBe("192.0.2.1"),
);

test.each([
  "someone",
  "192.0.2.1.5",
  "x192.0.2.1",
  "192.0.2.1:80x",
  "x[2001:db8::1]",
  "[2001:db8::1]x",
  "1:2:3%eth0",
  "",
])("text that is no address is returned unchanged: %j", (text) =>
  expect(networkOf(text)).toBe(text),
);

test("text that is no address counts by its first 100 characters", () =>
  expect(networkOf("x".repeat(1_000))).toBe("x".repeat(100)));

test("two hosts of one IPv6 /64 are one client, and hosts of two are two", () => {
  expect(networkOf("2001:db8:1:2::1")).toBe(networkOf("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  expect(networkOf("2001:db8:1:2::1")).not.toBe(networkOf("2001:db8:1:3::1"));
});

test("all unknown addresses are one client", () => expect(networkOf(null)).toBe("unknown"));

test.each([
  ["203.0.113.200", "203.0.113.0/24"],
  ["::ffff:203.0.113.9", "203.0.113.0/24"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"],
  ["2001:db8:1:ffff::1", "2001:db8:1::/48"],
  ["someone", "unknown"],
  [null, "unknown"],
])("a session at %s is renewed from the network %s", (address, network) =>
  expect(sessionNetworkOf(address)).toBe(network),
);

test("an unknown network equals none, not even itself", () => {
  expect(isSameNetwork("203.0.113.0/24", "203.0.113.0/24")).toBe(true);
  expect(isSameNetwork("203.0.113.0/24", "198.51.100.0/24")).toBe(false);
  expect(isSameNetwork("unknown", "unknown")).toBe(false);
});

test("limits count an IPv6 address for its /64 and, with larger shares, for the /56 and /48 around it", () => {
  expect(countedNetworksOf("2001:db8:1:2345::1")).toEqual([
    { name: "2001:db8:1:2345::/64", share: 1 },
    { name: "2001:db8:1:2300::/56", share: 4 },
    { name: "2001:db8:1::/48", share: 16 },
  ]);
  expect(networkPathOf("[2001:db8:1:2345::1]:443")).toEqual([
    "2001:db8:1::/48",
    "2001:db8:1:2300::/56",
    "2001:db8:1:2345::/64",
  ]);
});

test.each(["192.0.2.1", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1", null, "someone", "any text/64"])(
  "limits count %s for one network only",
  (address) => {
    expect(countedNetworksOf(address)).toEqual([{ name: networkOf(address), share: 1 }]);
    expect(networkPathOf(address)).toEqual([networkOf(address)]);
  },
);

test("two IPv6 addresses share each counted network whose prefix they share", () => {
  const groups = fc.array(fc.nat({ max: 0xffff }), { minLength: 8, maxLength: 8 });
  // Global addresses, which contain no IPv4 address.
  const text = (parts: readonly number[]) =>
    [0x2001, 0xdb8, ...parts.slice(2)].map((part) => part.toString(16)).join(":");
  fc.assert(
    fc.property(groups, fc.integer({ min: 32, max: 127 }), (parts, bit) => {
      const other = parts.with(bit >> 4, (parts[bit >> 4] ?? 0) ^ (0x8000 >> (bit & 15)));
      const [one, two] = [countedNetworksOf(text(parts)), countedNetworksOf(text(other))];
      const shared = one.filter(({ name }, index) => name === two[index]?.name);
      expect(shared).toHaveLength([48, 56, 64].filter((length) => bit >= length).length);
    }),
  );
});
