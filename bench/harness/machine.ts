/** Describes the machine and the versions that the figures were measured with. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { redisServer } from "../../test/helpers/redis-process.ts";

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly versions: Readonly<Record<string, string>>;
}

const ours = ["graphql", "graphql-yoga", "graphql-ws", "ws", "ioredis"];
const peers = ["@apollo/server", "mercurius", "fastify", "graphql-jit", "jose"];

export function machine(): Machine {
  const redis = execFileSync(redisServer, ["--version"], { encoding: "utf8" });
  const packages = [
    ...ours.map((name) => [name, versionOf(name, "../../")]),
    ...peers.map((name) => [name, versionOf(name, "../")]),
  ];
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    versions: {
      node: process.versions.node,
      redis: /v=(\S+)/.exec(redis)?.[1] ?? "unknown",
      ...(Object.fromEntries(packages) as Record<string, string>),
    },
  };
}

function versionOf(name: string, root: string): string {
  const file = new URL(`${root}node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
