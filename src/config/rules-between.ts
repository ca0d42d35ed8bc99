/** Rules between settings: each value may be valid alone, and still not fit another. */
import { writeDuration } from "./duration.ts";
import type { Options } from "./options.ts";
import { settings, type Name } from "./settings.ts";
import { leastMemory } from "./settings/passwords.ts";

/** The settings, and how their users write them. */
export interface Given {
  readonly production: boolean;
  /** The values; a wrong or absent one has its default. */
  readonly options: Options;
  readonly isSet: (name: Name) => boolean;
  /** Whether the value was refused by its own rule. */
  readonly isWrong: (name: Name) => boolean;
  /** The setting's name: `PORT`, `--port` or `port`. */
  readonly label: (name: Name) => string;
  /** An assignment, for an example: `PORT=4000`. */
  readonly assign: (name: Name, text: string) => string;
}

/** Returns one line for each rule that is broken. */
type Rule = (given: Given) => readonly string[];

const rules: readonly Rule[] = [
  durationOrders,
  argon2Minimum,
  redisAlternatives,
  sentinelPair,
  requiredSecrets,
];

export function issuesBetween(given: Given): readonly string[] {
  return rules.flatMap((rule) => rule(given));
}

/** No duration may end before another that it is part of. */
const orders = [
  ["renewalGrace", "shorter than", "accessTokenTtl"],
  ["accessTokenTtl", "at most", "renewalTokenTtl"],
  ["renewalTokenTtl", "at most", "sessionMaxAge"],
  ["recheckInterval", "at most", "outageGrace"],
] as const;

function durationOrders({ options, isWrong, label, assign }: Given): readonly string[] {
  return orders.flatMap(([name, relation, other]) => {
    if (isWrong(name) || isWrong(other)) return [];
    const limit = options[other];
    if (relation === "at most" ? options[name] <= limit : options[name] < limit) return [];
    const valid = relation === "at most" ? limit : Math.floor(limit / 2);
    const bound = `${label(other)}, which is ${writeDuration(limit)}`;
    const example = assign(name, writeDuration(valid));
    return [`${label(name)} must be ${relation} ${bound}. Example: ${example}`];
  });
}

/** The OWASP minimum: fewer passes need more memory. */
function argon2Minimum({ options, isWrong, label, assign }: Given): readonly string[] {
  if (isWrong("argon2Memory") || isWrong("argon2Passes")) return [];
  const memory = leastMemory(options.argon2Passes);
  if (options.argon2Memory >= memory) return [];
  const passes = `${label("argon2Passes")} is ${options.argon2Passes}`;
  const example = assign("argon2Memory", String(memory));
  return [`${label("argon2Memory")} must be at least ${memory} if ${passes}. Example: ${example}`];
}

const redisSettings = ["redisUrl", "redisClusterNodes", "redisSentinels"] as const;

/** Sessions are in one Redis. */
function redisAlternatives({ isSet, label }: Given): readonly string[] {
  const [redis, ...others] = redisSettings.filter(isSet);
  if (redis === undefined) return [];
  return others.map(
    (other) => `${label(other)} must be unset if ${label(redis)} is set: Curfew uses one Redis`,
  );
}

/** Neither means anything without the other. */
const sentinelPairs = [
  ["redisSentinels", "redisSentinelName"],
  ["redisSentinelName", "redisSentinels"],
] as const;

function sentinelPair({ isSet, label, assign }: Given): readonly string[] {
  return sentinelPairs.flatMap(([given, missing]) => {
    if (!isSet(given) || isSet(missing)) return [];
    const example = assign(missing, settings[missing].example);
    return [`${label(missing)} must be set if ${label(given)} is set. Example: ${example}`];
  });
}

/** All nodes and all starts must verify each other's tokens. */
function requiredSecrets({ production, isSet, label, assign }: Given): readonly string[] {
  const redis = redisSettings.find(isSet);
  if (isSet("secrets") || (!production && redis === undefined)) return [];
  return [
    `${label("secrets")} must be set if NODE_ENV=production or ${label(redis ?? "redisUrl")} is set:` +
      " every node and every start needs the same secrets. `openssl rand -base64 32` makes one." +
      ` Example: ${assign("secrets", settings.secrets.example)}`,
  ];
}
