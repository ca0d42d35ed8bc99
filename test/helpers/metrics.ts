/** Reads the Prometheus metrics of a server. */

export interface Page {
  readonly text: string;
  /** Keyed by name and labels: `curfew_sessions_ended_total{reason="LOGOUT"}`. */
  readonly values: ReadonlyMap<string, number>;
  /** The sum over all series of that name. */
  sum(name: string): number;
}

const line = /^([a-zA-Z_:][\w:]*(?:\{[^{}]*\})?) (\S+)$/;

/** @throws if a line is not in Prometheus's text format */
function readMetrics(text: string): Page {
  const values = new Map<string, number>();
  for (const each of text.split("\n")) {
    if (each === "" || each.startsWith("# HELP ") || each.startsWith("# TYPE ")) continue;
    const [, series = "", value = ""] = line.exec(each) ?? [];
    if (series === "" || values.has(series)) throw new Error(`Not a line of metrics: ${each}`);
    values.set(series, Number(value.replace("Inf", "Infinity")));
  }
  const sum = (name: string) =>
    [...values].reduce((total, [series, value]) => {
      return series === name || series.startsWith(`${name}{`) ? total + value : total;
    }, 0);
  return { text, values, sum };
}

export async function metricsOf(url: string, token?: string): Promise<Page> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(new URL("/metrics", url), { headers });
  if (response.status !== 200) throw new Error(`No metrics: status ${response.status}`);
  return readMetrics(await response.text());
}
