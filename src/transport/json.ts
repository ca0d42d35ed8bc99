/** Answers plain JSON requests by the engine's own pipeline, without the Request and Response of the Fetch API around it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { processRegularResult, type GraphQLParams } from "graphql-yoga";
import type { Engine, ServerContext } from "../graphql/engine.ts";
import { answerHeaders } from "../graphql/headers.ts";
import type { AllowsOrigin } from "./origins.ts";

export interface JsonOptions {
  readonly engine: Engine;
  /** Bytes of a body. */
  readonly maxBodySize: number;
  /** Whose pages may call, and read the answer. */
  readonly allowsOrigin: AllowsOrigin;
}

/** A request whose body was read; the engine's adapter takes it from there. */
type ReadRequest = IncomingMessage & { body?: Buffer };

const json = "application/json";
const graphqlResponse = "application/graphql-response+json";

type Result = Exclude<Awaited<ReturnType<Engine["getResultForParams"]>>, undefined>;

/** What clients say that they take, and what they are given; who says something else is the adapter's. */
const answerTypes = new Map<string | undefined, string>([
  [undefined, json],
  ["*/*", json],
  [json, json],
  [graphqlResponse, graphqlResponse],
  // Apollo Client's, and urql's.
  [`${graphqlResponse},${json};q=0.9`, graphqlResponse],
  [
    `${graphqlResponse},application/graphql+json,${json},text/event-stream,multipart/mixed`,
    graphqlResponse,
  ],
]);

/** What is, or may be, answered bit by bit. */
const streamed = /\bsubscription\b|@\s*(?:defer|stream)\b/;
const expected = new Set(["query", "variables", "operationName", "extensions"]);

/**
 * Whether it answers the request; all others, and all that is wrong with one, are left to the engine's
 * adapter, which finds the body read where it was.
 */
export async function answerJson(
  request: ReadRequest,
  response: ServerResponse,
  context: ServerContext,
  options: JsonOptions,
): Promise<boolean> {
  const type = answerTypes.get(request.headers.accept?.replaceAll(" ", ""));
  if (type === undefined || !isPlain(request, options.maxBodySize)) return false;
  const body = await read(request);
  if (body === undefined) return true;
  const params = paramsOf(body);
  if (params === undefined) {
    request.body = body;
    return false;
  }
  const { engine } = options;
  const result = await engine.getResultForParams(
    { params, request: postOf(engine) },
    { ...context },
  );
  if (result === undefined) throw new Error("The engine gave no result");
  await send(response, result, type, request, options);
  return true;
}

/** Without anything that the adapter would look at: another body, or one of unknown length. */
function isPlain({ method, url, headers }: IncomingMessage, maxBodySize: number): boolean {
  return (
    method === "POST" &&
    url === "/graphql" &&
    /^application\/json(?:; ?charset=utf-8)?$/i.test(headers["content-type"] ?? "") &&
    headers["content-encoding"] === undefined &&
    headers.expect === undefined &&
    /^[1-9]\d*$/.test(headers["content-length"] ?? "") &&
    Number(headers["content-length"]) <= maxBodySize
  );
}

/** Undefined when the client left in the middle of it. */
async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const chunks: Buffer[] = [];
  request
    .on("data", (chunk: Buffer) => chunks.push(chunk))
    .on("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
    .on("error", () => resolve(undefined))
    .on("close", () => resolve(undefined));
  return promise;
}

/** Undefined unless all is well with them, and the answer comes in one piece. */
function paramsOf(body: Buffer): GraphQLParams | undefined {
  let params: unknown;
  try {
    params = JSON.parse(body.toString());
  } catch {
    return undefined;
  }
  if (!isObject(params)) return undefined;
  const { query, variables, extensions } = params;
  const isFine =
    typeof query === "string" &&
    !streamed.test(query) &&
    [variables, extensions].every((each) => each == null || isObject(each)) &&
    Object.keys(params).every((name) => expected.has(name));
  return isFine ? params : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const posts = new WeakMap<Engine, Request>();

/** What plugins see of the request: the method, which is all that they go by here. */
function postOf(engine: Engine): Request {
  const known = posts.get(engine);
  if (known !== undefined) return known;
  const post = new engine.fetchAPI.Request("http://localhost/graphql", { method: "POST" });
  posts.set(engine, post);
  return post;
}

async function send(
  response: ServerResponse,
  result: Result,
  type: string,
  request: IncomingMessage,
  { engine, allowsOrigin }: JsonOptions,
): Promise<void> {
  const { origin, host } = request.headers;
  const headers: Record<string, string> = { "content-type": `${type}; charset=utf-8` };
  let status = 200;
  let text: string;
  if (isData(result)) text = JSON.stringify(result);
  else {
    const answer = processRegularResult(result, engine.fetchAPI, type);
    ({ status } = answer);
    for (const [name, value] of answer.headers) headers[name.toLowerCase()] = value;
    text = await answer.text();
  }
  if (response.destroyed) return;
  response.writeHead(status, {
    ...headers,
    "content-length": Buffer.byteLength(text),
    ...answerHeaders,
    ...(origin !== undefined && allowsOrigin(origin, host ?? null) && allowed(origin)),
  });
  response.end(text);
}

function allowed(origin: string): Record<string, string> {
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST",
  };
}

function isData(result: object): boolean {
  return "data" in result && !("errors" in result) && !("extensions" in result);
}
