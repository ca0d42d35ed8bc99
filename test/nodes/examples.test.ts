/** Checks the containers of examples/nodes without a container engine. */
import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { checkOptions, loadOptions } from "../../src/config/load.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(`examples/nodes/${path}`, root), "utf8");

interface Service {
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: string;
  readonly stop_grace_period?: string;
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly volumes?: readonly string[];
}

const { services } = parse(read("compose.yaml")) as {
  readonly services: Readonly<Record<string, Service>>;
};

/** The arguments of each instruction of that name in the Dockerfile. */
function instructions(name: string): string[][] {
  return read("Dockerfile")
    .split("\n")
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => line.split(" ").slice(1));
}

/** The environment variables that the image sets. */
const imageSettings = Object.fromEntries(
  instructions("ENV")
    .flat()
    .map((one) => one.split("=")),
) as Record<string, string>;

it("the Dockerfile copies existing files and starts one of them", () => {
  const copied = instructions("COPY").flatMap((args) => args.slice(0, -1));
  for (const path of copied) expect(existsSync(new URL(path, root)), path).toBe(true);
  const [command = []] = instructions("CMD").map((args) => JSON.parse(args.join(" ")) as string[]);
  const [program, file = ""] = command;
  expect(program).toBe("node");
  expect(copied).toContain(file.split("/")[0]);
  expect(existsSync(new URL(file, root))).toBe(true);
});

it("compose.yaml gives the nodes valid settings and a stop_grace_period longer than DRAIN_TIME", () => {
  const nodes = Object.values(services).filter(({ build }) => build !== undefined);
  expect(nodes).toHaveLength(2);
  for (const { environment = {}, build, stop_grace_period: grace = "" } of nodes) {
    expect(existsSync(new URL(`examples/nodes/${build?.context}/${build?.dockerfile}`, root))).toBe(
      true,
    );
    // `${CURFEW_SECRETS:?…}`: compose refuses to start without it.
    expect(environment["CURFEW_SECRETS"]).toMatch(/^\$\{CURFEW_SECRETS:\?/);
    const secret = { CURFEW_SECRETS: "x".repeat(32) };
    const options = loadOptions({ ...imageSettings, ...environment, ...secret });
    expect(options).toMatchObject({ host: "0.0.0.0", trustProxy: 1 });
    for (const url of [options.redisUrl, options.databaseUrl])
      expect(Object.keys(services)).toContain(new URL(url ?? "").hostname);
    expect(parseFloat(grace) * 1_000).toBeGreaterThan(checkOptions({}).drainTime);
  }
});

it("compose.yaml and the proxies name existing services and files, and Redis persists acknowledged writes", () => {
  for (const { depends_on: needed = [], volumes = [] } of Object.values(services)) {
    const dependencies = Array.isArray(needed) ? needed : Object.keys(needed);
    for (const name of dependencies) expect(Object.keys(services)).toContain(name);
    for (const volume of volumes.filter((one) => one.startsWith(".")))
      expect(existsSync(new URL(`examples/nodes/${volume.split(":")[0]}`, root))).toBe(true);
  }
  expect(services["redis"]?.command).toContain("--appendonly yes");
  expect(services["redis"]?.command).toContain("--maxmemory-policy noeviction");
  const proxied = [...read("nginx.conf").matchAll(/server (\w+):4000/g)].map(([, name]) => name);
  const balanced = /reverse_proxy (.*) \{/.exec(read("Caddyfile"))?.[1]?.split(" ");
  expect(proxied).toEqual(["curfew1", "curfew2"]);
  expect(balanced).toEqual(proxied.map((name) => `${name}:4000`));
});
