/** Which addresses are one client's: limits by address count what he cannot change at will. */

/**
 * An IPv4 address by itself, and of IPv6 the first 64 bits, since whoever has one such address has the
 * other 2^64 of its network too (RFC 4291 §2.5.4). A port, which some proxies append, does not count.
 *
 * @param address null where it is not known: all of those are one client
 */
export function networkOf(address: string | null): string {
  if (address === null) return "unknown";
  const [, bare = address] =
    /^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$/.exec(address)?.filter(isText) ?? [];
  const ipv4 = /^(?:::ffff:)?(\d+(?:\.\d+){3})$/i.exec(bare)?.[1];
  if (ipv4 !== undefined) return ipv4;
  return bare.includes(":") ? `${firstGroups(bare)}::/64` : bare;
}

function isText(part: string | undefined): boolean {
  return part !== undefined;
}

/** Four groups of the eight, spelt in one way. */
function firstGroups(ipv6: string): string {
  const [before = "", after] = ipv6.replace(/%.*$/, "").toLowerCase().split("::");
  const head = groupsOf(before);
  const tail = groupsOf(after ?? "");
  const gap = Array<string>(Math.max(0, after === undefined ? 0 : 8 - head.length - tail.length));
  const groups = [...head, ...gap.fill("0"), ...tail].slice(0, 4);
  return groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":");
}

function groupsOf(text: string): string[] {
  return text === "" ? [] : text.split(":");
}
