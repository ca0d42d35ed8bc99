/** The network of a client's address. Limits count networks, because a client can use any address of its own. */
import ipaddr from "ipaddr.js";

/** Prefix lengths in bits. */
export interface PrefixLengths {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** One client: an IPv4 address, or a /64, the smallest network of an IPv6 subscriber (RFC 4291 §2.5.4, RFC 6177). */
const clientPrefix: PrefixLengths = { ipv4: 32, ipv6: 64 };

/** The network of a renewal: coarse, so that a client that moves between neighbouring addresses stays in it. */
const sessionPrefix: PrefixLengths = { ipv4: 24, ipv6: 48 };

/**
 * IPv6 networks that one subscriber may have instead of a /64: a home gets a /56 or /60, a site a /48
 * (RFC 6177). Limits count them as well, each with a multiple of the /64's limit, because many homes may
 * also share such a network. IPv4 needs none: neighbouring addresses belong to other subscribers.
 */
const widerPrefixes: readonly { readonly length: number; readonly share: number }[] = [
  { length: 56, share: 4 },
  { length: 48, share: 16 },
];

/** A network that a limit counts. */
export interface CountedNetwork {
  readonly name: string;
  /** Multiplies the limit of one client. */
  readonly share: number;
}

/** The network of an unknown address. */
export const unknownNetwork = "unknown";

/** Longer than any address with a zone and a port. Longer text is not parsed. */
const maxAddressLength = 100;

/**
 * The network of an address: the IPv4 address itself, or the prefix in CIDR notation.
 *
 * An IPv4 address inside an IPv6 one (mapped, RFC 4291 §2.5.5.2, or NAT64, RFC 6052) counts as that IPv4
 * address. A port, which some proxies append, is ignored. Text that is no address is returned as it is,
 * up to 100 characters.
 *
 * @param address null if unknown: all unknown addresses share the network "unknown"
 */
export function networkOf(address: string | null, prefix: PrefixLengths = clientPrefix): string {
  if (address === null) return unknownNetwork;
  return prefixOf(address, prefix) ?? address.slice(0, maxAddressLength);
}

/** The networks that limits count for an address: `networkOf` it first, then the wider ones around it. */
export function countedNetworksOf(address: string | null): readonly CountedNetwork[] {
  const client = { name: networkOf(address), share: 1 };
  if (address === null || !(parseAddress(address) instanceof ipaddr.IPv6)) return [client];
  const wider = widerPrefixes.map(({ length, share }) => ({
    name: networkOf(address, { ...clientPrefix, ipv6: length }),
    share,
  }));
  return [client, ...wider];
}

/** The same networks from the widest to the narrowest: a path for `ConcurrencyLimiter`. */
export function networkPathOf(address: string | null): readonly string[] {
  return countedNetworksOf(address)
    .map(({ name }) => name)
    .toReversed();
}

/** The network of a renewal; `unknownNetwork` if the address is unknown or invalid. */
export function sessionNetworkOf(address: string | null): string {
  return (address === null ? undefined : prefixOf(address, sessionPrefix)) ?? unknownNetwork;
}

/** Whether two networks are known and equal: an unknown network equals none, not even itself. */
export function isSameNetwork(one: string, other: string): boolean {
  return one === other && one !== unknownNetwork;
}

function prefixOf(address: string, { ipv4, ipv6 }: PrefixLengths): string | undefined {
  const ip = parseAddress(address);
  if (ip === undefined) return undefined;
  if (ip instanceof ipaddr.IPv4) {
    const network = ipaddr.IPv4.networkAddressFromCIDR(`${ip.toString()}/${ipv4}`).toString();
    return ipv4 === 32 ? network : `${network}/${ipv4}`;
  }
  const bare = new ipaddr.IPv6(ip.parts);
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${bare.toString()}/${ipv6}`).toString()}/${ipv6}`;
}

function parseAddress(address: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (address.length > maxAddressLength) return undefined;
  const bare = withoutPort(address);
  if (ipaddr.IPv4.isValidFourPartDecimal(bare)) return ipaddr.IPv4.parse(bare);
  if (!ipaddr.IPv6.isValid(bare)) return undefined;
  const ip = ipaddr.IPv6.parse(bare);
  if (ip.isIPv4MappedAddress()) return ip.toIPv4Address();
  // NAT64 stores the IPv4 address in the last 32 bits.
  return ip.range() === "rfc6052" ? new ipaddr.IPv4(ip.toByteArray().slice(12)) : ip;
}

function withoutPort(address: string): string {
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(address) ?? [];
  return bracketed ?? /^([\d.]{7,15}):\d{1,5}$/.exec(address)?.[1] ?? address;
}
