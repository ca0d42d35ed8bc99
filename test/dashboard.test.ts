/** Compares `docs/grafana.json` and the table of metrics in docs/operations.md with a server's metrics. */
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { startCurfew } from "./helpers/curfew.ts";
import { logout, newEmail, register, renew, tryLogin } from "./helpers/http.ts";
import { metricsOf } from "./helpers/metrics.ts";
import { startRedis } from "./helpers/redis.ts";
import { connect } from "./helpers/socket.ts";
import { until } from "./helpers/until.ts";

const read = (path: string) => readFile(new URL(path, import.meta.url), "utf8");
const metricName = /\b(?:curfew|nodejs|process)_[a-z0-9_]+/g;

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** The labels and types of a server's metrics, by name, after one event of each kind. */
async function exposedMetrics() {
  await using redis = await startRedis();
  await using curfew = await startCurfew({ recheckInterval: 50, redisUrl: redis.url });
  const email = newEmail();
  const { accessToken, renewalToken } = await register(curfew.url, email);
  await using socket = await connect(curfew.socketUrl, accessToken);
  await renew(curfew.url, renewalToken);
  await tryLogin(curfew.url, email, "a wrong password");
  await logout(curfew.url, accessToken);
  await socket.closed;
  await until(async () => {
    const page = await metricsOf(curfew.url);
    return page.sum("curfew_recheck_seconds_count") > 0;
  }, "a recheck");
  const { values, text } = await metricsOf(curfew.url);
  const labels = new Map<string, Set<string>>();
  for (const series of values.keys()) {
    const [name = "", rest = ""] = series.split("{");
    const known = labels.get(name) ?? new Set();
    for (const [, label = ""] of rest.matchAll(/(\w+)=/g)) known.add(label);
    labels.set(name, known);
  }
  return { labels, types: new Map(text.match(/^# TYPE .*$/gm)?.map((line) => typeOf(line))) };
}

function typeOf(line: string): readonly [string, string] {
  const [, , name = "", type = ""] = line.split(" ");
  return [name, type];
}

it("the dashboard queries only metrics and labels that a server exposes", async () => {
  const { labels } = await exposedMetrics();
  const { panels } = JSON.parse(await read("../docs/grafana.json")) as { panels: Panel[] };
  const drawn = panels.filter(({ type }) => type !== "row");
  expect(drawn.length).toBeGreaterThan(10);
  for (const { title, targets = [] } of drawn) {
    expect(targets.length, title).toBeGreaterThan(0);
    for (const { expr } of targets) {
      const names = expr.match(metricName) ?? [];
      expect(names, expr).toHaveLength(1);
      const known = labels.get(names[0] ?? "");
      expect(known, expr).toBeDefined();
      const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
        list.split(",").map((label) => label.trim()),
      );
      const selected = [...expr.matchAll(/(\w+)(?:=~|!=|=)"/g)].map(([, label = ""]) => label);
      // Prometheus itself adds these labels.
      const missing = [...grouped, ...selected].filter(
        (label) => !["job", "instance"].includes(label) && known?.has(label) !== true,
      );
      expect(missing, expr).toEqual([]);
    }
  }
});

it("the table in operations.md lists every Curfew metric with its type and labels", async () => {
  const { labels, types } = await exposedMetrics();
  const rows = (await read("../docs/operations.md")).matchAll(
    /^\| `((?:curfew|nodejs)_\w+)` +\| (\w+) +\| ([^|]*)\|/gm,
  );
  const documented = [...rows].map(([, name = "", type = "", list = ""]) => {
    return [name, type, list.match(/\w+/g)?.toSorted() ?? []] as const;
  });
  const exposed = [...types].flatMap(([name, type]) => {
    if (!name.startsWith("curfew_")) return [];
    const names = labels.get(type === "histogram" ? `${name}_count` : name) ?? new Set<string>();
    return [[name, type, [...names].toSorted()] as const];
  });
  expect(documented.filter(([name]) => name.startsWith("curfew_")).toSorted()).toEqual(
    exposed.toSorted(),
  );
  for (const [name, type] of documented) expect(types.get(name), name).toBe(type);
});
