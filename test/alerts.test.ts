/** Checks docs/alerts.yml: Prometheus accepts it, each alert fires for its incident, and a node has its metrics. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { newFolder } from "./helpers/command.ts";
import { startCurfew } from "./helpers/curfew.ts";
import { newEmail, tryLogin } from "./helpers/http.ts";
import { metricsOf } from "./helpers/metrics.ts";
import { startRedis } from "./helpers/redis.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
}

const file = fileURLToPath(new URL("../docs/alerts.yml", import.meta.url));
const { groups } = parse(await readFile(file, "utf8")) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);

describe("the metrics of the alert rules", () => {
  it("are metrics of a node, with the labels that the rules select", async () => {
    await using redis = await startRedis();
    await using curfew = await startCurfew({ redisUrl: redis.url });
    await tryLogin(curfew.url, newEmail());
    const { text, values } = await metricsOf(curfew.url);
    const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name));
    const missing = rules.flatMap(({ alert, expr }) =>
      [...expr.matchAll(/(curfew_\w+)(?:\{([^}]*)\})?/g)].flatMap(([, series = "", labels]) => {
        const name = series.replace(/_(?:bucket|count|sum)$/, "");
        if (!names.has(name)) return [`${alert}: ${name}`];
        const isShown = [...values.keys()].some(
          (one) => one.startsWith(`${series}{`) && one.includes(labels ?? ""),
        );
        return labels === undefined || isShown ? [] : [`${alert}: ${series}{${labels}}`];
      }),
    );
    expect(missing).toEqual([]);
  });
});

type Series = Readonly<Record<string, string>>;

/** For each alert, the series of its incident: a value for each 15 seconds. */
const incidents: Readonly<Record<string, Series>> = {
  CurfewNodeDown: { up: "1 0x8" },
  CurfewNotReady: { 'curfew_part_up{part="database"}': "1 0x8" },
  CurfewLinkLost: { 'curfew_link_up{link="commands"}': "1 0x8" },
  CurfewSubscriberUnheard: {
    'curfew_link_up{link="subscriber"}': "1 0x8",
    'curfew_link_up{link="commands"}': "1x9",
  },
  CurfewLinksReplacedOften: { 'curfew_links_replaced_total{link="subscriber"}': "0+3x8" },
  CurfewLogLinesLost: { curfew_log_lines_lost_total: "0 0 9x8" },
  CurfewEndsMissed: { curfew_recheck_found_total: "0 0 9x8" },
  CurfewRecheckIncomplete: { 'curfew_recheck_seconds_count{outcome="incomplete"}': "0 0+3x8" },
  CurfewStoreReplaced: { curfew_stores_replaced_total: "0 0 1x8" },
  CurfewEndsReplayed: { curfew_ends_replayed_total: "0 0 1x8" },
  CurfewEndsForgotten: { curfew_ends_forgotten_total: "0 0 1x8" },
  CurfewStoreUnavailable: { 'curfew_store_seconds_count{outcome="unavailable"}': "0 0+9x8" },
  CurfewStoreSlow: {
    'curfew_store_seconds_bucket{le="0.1"}': "0+1x20",
    'curfew_store_seconds_bucket{le="0.5"}': "0+9x20",
    'curfew_store_seconds_bucket{le="+Inf"}': "0+9x20",
  },
  CurfewLimiterFallback: { curfew_limiter_fallback_total: "0 0 1x8" },
  CurfewTokensReused: {
    'curfew_sessions_ended_total{reason="RENEWAL_REUSED"}': "0 0 40x8",
    curfew_sessions_renewed_total: "0+9x9",
  },
  CurfewLoginsRefused: {
    'curfew_attempts_refused_total{attempt="login",reason="WRONG_PASSWORD"}': "0+90x20",
    curfew_sessions_started_total: "0+1x20",
  },
};

/** Alerts on trends, which fire after three minutes; all others fire within 75 seconds of the incident. */
const slow = new Set(["CurfewStoreSlow", "CurfewLoginsRefused"]);

/** A node through a failover of some seconds that lost nothing. */
const healthy: Series = {
  up: "1x40",
  'curfew_part_up{part="redis"}': "1 0 1x38",
  'curfew_link_up{link="commands"}': "1 0 1x38",
  'curfew_link_up{link="subscriber"}': "1 0 1x38",
  'curfew_links_replaced_total{link="commands"}': "0 1x39",
  'curfew_recheck_seconds_count{outcome="incomplete"}': "0 1x39",
  'curfew_store_seconds_count{outcome="unavailable"}': "0 5x39",
  'curfew_store_seconds_bucket{le="0.1"}': "0+99x40",
  'curfew_store_seconds_bucket{le="+Inf"}': "0+99x40",
  'curfew_sessions_ended_total{reason="RENEWAL_REUSED"}': "0 1x39",
  curfew_sessions_renewed_total: "0+9x40",
  curfew_sessions_started_total: "0+9x40",
  'curfew_attempts_refused_total{attempt="login",reason="WRONG_PASSWORD"}': "0+5x40",
};

/** A test of promtool: which alerts fire at a time, for these series of one node. */
function promtoolTest(series: Series, times: readonly string[], alert?: string) {
  const name = alert === undefined ? "" : `,alertname="${alert}"`;
  return {
    interval: "15s",
    input_series: Object.entries(series).map(([one, values]) => {
      const [metric = "", labels = ""] = one.split(/[{}]/);
      const all = [labels, 'job="curfew"', 'instance="node1:4000"'].filter((each) => each !== "");
      return { series: `${metric}{${all.join()}}`, values };
    }),
    promql_expr_test: times.map((time) => ({
      expr: `group by (alertname) (ALERTS{alertstate="firing"${name}})`,
      eval_time: time,
      exp_samples: alert === undefined ? [] : [{ labels: `{alertname="${alert}"}`, value: 1 }],
    })),
  };
}

/** @throws with promtool's report if a check fails */
async function promtool(...args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)("promtool", args);
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & Record<string, string>;
    throw new Error(`${message}\n${stdout}${stderr}`, { cause: error });
  }
}

describe("the alert rules", () => {
  it("are valid for Prometheus", () => promtool("check", "rules", file));

  it("fire for their incidents, and not for a short failover", async () => {
    expect(Object.keys(incidents).toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
    const fired = Object.entries(incidents).map(([alert, series]) =>
      promtoolTest(series, [slow.has(alert) ? "3m" : "90s"], alert),
    );
    const quiet = promtoolTest(healthy, ["15s", "1m", "2m", "5m"]);
    const tests = [...fired, quiet];
    await using folder = await newFolder();
    const path = join(folder.path, "tests.yml");
    const all = { rule_files: [file], evaluation_interval: "15s", tests };
    await writeFile(path, stringify(all));
    await promtool("test", "rules", path);
  });
});
