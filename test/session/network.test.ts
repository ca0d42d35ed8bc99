/** Which addresses count as one. */
import { expect, test } from "vitest";
import { networkOf } from "../../src/session/network.ts";

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.1", "192.0.2.1"],
  ["192.0.2.1:50123", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:0001:2::1", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2::1]", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["1::2:3:4:5:6:7", "1:0:2:3::/64"],
  ["203.0.113.200", "203.0.113.200"],
  ["fe80:1:2:3::1%en", "fe80:1:2:3::/64"],
  ["1:2:3%eth0", "1:2:3::/64"],
  // What is no address is taken as it stands, whatever looks like one in it.
  ["somebody", "somebody"],
  ["192.0.2.1.5", "192.0.2.1.5"],
  ["x192.0.2.1", "x192.0.2.1"],
  ["192.0.2.1:80x", "192.0.2.1:80x::/64"],
  ["x[2001:db8::1]", "x[2001:db8:0:0::/64"],
  ["[2001:db8::1]x", "[2001:db8:0:0::/64"],
])("%s counts as %s", (address, network) => expect(networkOf(address)).toBe(network));

test("two hosts of one IPv6 network are one client, and of two networks two", () => {
  expect(networkOf("2001:db8:1:2::1")).toBe(networkOf("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  expect(networkOf("2001:db8:1:2::1")).not.toBe(networkOf("2001:db8:1:3::1"));
});

test("those that are not known are one client", () => expect(networkOf(null)).toBe("unknown"));
