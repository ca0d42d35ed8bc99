/** Spans, as OpenTelemetry's own SDK gets them; and nothing at all where nobody set one up. */
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from "@opentelemetry/sdk-trace-base";
import { afterEach, expect, it } from "vitest";
import { startTracing } from "../../src/telemetry/tracing.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { askData, logout, register } from "../helpers/http.ts";
import { startNodes } from "../helpers/nodes.ts";
import { breakable, memoryStore } from "../helpers/backends.ts";
import { startRedis } from "../helpers/redis.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

/** What an app does before it starts Curfew. */
function setUpSdk() {
  const exporter = new InMemorySpanExporter();
  const spanProcessors = [new SimpleSpanProcessor(exporter)];
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const named = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);
  return { exporter, named };
}

afterEach(() => {
  trace.disable();
  context.disable();
});

const milliseconds = ([seconds, nanoseconds]: ReadableSpan["startTime"]) =>
  seconds * 1000 + nanoseconds / 1e6;

it("each call to the store is a span, under that of whoever asks", async () => {
  const { named } = setUpSdk();
  const store = breakable(memoryStore());
  await using curfew = await startCurfew({ backends: { store: store.part } });
  const { userId } = await register(curfew.url);
  expect(named("curfew.store create")).toHaveLength(1);

  const parent = trace.getTracer("test").startSpan("an app's");
  await context.with(trace.setSpan(context.active(), parent), () => curfew.sessions.list(userId));
  const [span] = named("curfew.store ofUser").slice(-1);
  expect(span?.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
  expect(span).toMatchObject({
    kind: SpanKind.CLIENT,
    attributes: { "db.operation.name": "ofUser" },
    status: { code: SpanStatusCode.UNSET },
  });

  store.goDown();
  await expect(curfew.sessions.list(userId)).rejects.toThrow();
  expect(named("curfew.store ofUser").at(-1)).toMatchObject({
    attributes: { "error.type": "StoreUnavailable" },
    status: { code: SpanStatusCode.ERROR },
    events: [],
  });
});

it("the way from the end of a session to its last close is a span on each node", async () => {
  const { named, exporter } = setUpSdk();
  await using redis = await startRedis();
  await using nodes = await startNodes(redis);
  const { here, there } = nodes;
  const { accessToken, renewalToken, sessionId, userId } = await register(here.url);
  await using local = await connect(here.socketUrl, accessToken);
  await using first = await connect(there.socketUrl, accessToken);
  await using second = await connect(there.socketUrl, accessToken);
  await logout(here.url, accessToken);
  await Promise.all([local.closed, first.closed, second.closed]);

  await until(() => named("curfew.session close").length === 2, "a span of each node");
  const spans = named("curfew.session close");
  expect(spans.map(({ attributes }) => attributes["curfew.connections"]).toSorted()).toEqual([
    1, 2,
  ]);
  const [end] = named("curfew.store end");
  for (const span of spans) {
    expect(span.attributes["curfew.end.reason"]).toBe("LOGOUT");
    // It begins where the store had done it; by the other's clock to the millisecond.
    expect(milliseconds(span.startTime)).toBeGreaterThan(
      milliseconds(end?.startTime ?? [0, 0]) - 5,
    );
    expect(milliseconds(span.endTime)).toBeGreaterThanOrEqual(milliseconds(span.startTime));
  }
  const told = JSON.stringify(
    exporter.getFinishedSpans().map(({ name, attributes, events }) => [name, attributes, events]),
  );
  for (const hidden of [accessToken, renewalToken, sessionId, userId])
    expect(told).not.toContain(hidden);
});

it("where nobody set an SDK up, nothing is done for it", async () => {
  expect(await startTracing()).toBeUndefined();
  await using curfew = await startCurfew();
  const { accessToken } = await register(curfew.url);
  const data = await askData(curfew.url, "{ viewer { user { id } } }", { token: accessToken });
  expect(data.viewer).not.toBeNull();
  // One that comes later is not used: it was decided at the start.
  const { exporter } = setUpSdk();
  await logout(curfew.url, accessToken);
  expect(exporter.getFinishedSpans()).toEqual([]);
});
