import { expect, it } from "vitest";
import { originPolicy } from "../../src/request/origin-check.ts";

const host = "api.test:4000";
const allows = originPolicy(["https://app.test", "https://*.example.com"]);

it.each([
  ["http://api.test:4000", "the server's own"],
  ["https://api.test:4000", "the server's own, behind a proxy for TLS"],
  ["https://app.test", "listed"],
  ["https://a.example.com", "a subdomain"],
  ["https://a.b-c.example.com", "a subdomain's subdomain"],
])("%s may call: %s", (origin) => expect(allows(origin, host)).toBe(true));

it.each([
  ["http://app.test", "another scheme"],
  ["https://app.test:8443", "another port"],
  ["https://app.test.evil.test", "a longer host"],
  ["https://evilapp.test", "another host"],
  ["https://a.example.com.evil.test", "a longer host than a subdomain's"],
  ["https://example.com", "not a subdomain"],
  ["https://.example.com", "an empty subdomain"],
  ["https://evil.test/.example.com", "a path that looks like a host"],
  ["https://evil.test#.example.com", "a fragment that looks like a host"],
  ["https://aXexample.com", "a dot is a dot"],
  ["https://evilexample.com", "a host that ends alike"],
  ["https://a..example.com", "an empty label"],
  ["https://-..example.com", "an empty label after another"],
  ["https://a.example.com:8443", "a subdomain's other port"],
  [`https://${"a.".repeat(8_000)}example.com`, "longer than any name of DNS"],
  [`https://${"a".repeat(16_000)}`, "longer than any name of DNS, and no subdomain"],
  ["http://api.test", "the server's host on another port"],
  ["null", "what browsers send for sandboxed pages"],
  ["", "nothing"],
  ["*", "a star"],
])("%s may not: %s", (origin) => expect(allows(origin, host)).toBe(false));

it("a wildcard with a port allows that port only", () => {
  const allowsPort = originPolicy(["http://*.example.com:8080"]);
  expect(allowsPort("http://a.example.com:8080", host)).toBe(true);
  expect(allowsPort("http://a.example.com", host)).toBe(false);
});

it("a request without a host is refused unless its origin is listed", () => {
  expect(allows("http://api.test:4000", undefined)).toBe(false);
  expect(allows("http://api.test:4000", null)).toBe(false);
  expect(allows("https://app.test", undefined)).toBe(true);
});
