/** Answers plain JSON requests by the engine's own pipeline, without the Request and Response of the Fetch API around it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { getOperationAST, OperationTypeNode } from "graphql";
import { processRegularResult } from "graphql-yoga";
import type { Caller } from "../graphql/caller.ts";
import type { Engine, Operation, FastPath } from "../graphql/execution/engine.ts";
import { securityHeaders } from "../graphql/plugins/use-security-headers.ts";
import { requestIdHeader } from "../lib/log-context.ts";
import type { AllowsOrigin } from "../request/origin-check.ts";
import { giveBody, readBody, type ReadRequest } from "./body.ts";

export interface JsonOptions {
  readonly engine: Engine;
  /** Bytes of a body. */
  readonly maxMessageSize: number;
  /** Whose pages may call, and read the answer. */
  readonly allowsOrigin: AllowsOrigin;
}

const json = "application/json";
const graphqlResponse = "application/graphql-response+json";

type Result = Awaited<ReturnType<FastPath["answer"]>>;

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

const expected = new Set(["query", "variables", "operationName", "extensions"]);

/**
 * Whether it answers the request; all others, and all that is wrong with one, are left to the engine's
 * adapter, which finds the body read where it was.
 */
export async function answerJson(
  request: ReadRequest,
  response: ServerResponse,
  identify: () => Promise<Caller>,
  options: JsonOptions,
): Promise<boolean> {
  const type = answerTypes.get(request.headers.accept?.replaceAll(" ", ""));
  const { fastPath: short } = options.engine;
  if (type === undefined || short === undefined || !isPlain(request, options.maxMessageSize))
    return false;
  const body = await readBody(request, options.maxMessageSize);
  if (body === undefined) return true;
  const operation = operationOf(body, short);
  if (operation === undefined) {
    giveBody(request, body);
    return false;
  }
  const result = await short.answer(operation, identify);
  await send(response, result, type, request, options);
  return true;
}

/** Without anything that the adapter would look at: another body, or one of unknown length. */
function isPlain({ method, url, headers }: IncomingMessage, maxMessageSize: number): boolean {
  return (
    method === "POST" &&
    url === "/graphql" &&
    /^application\/json(?:; ?charset=utf-8)?$/i.test(headers["content-type"] ?? "") &&
    headers["content-encoding"] === undefined &&
    headers.expect === undefined &&
    /^[1-9]\d*$/.test(headers["content-length"] ?? "") &&
    Number(headers["content-length"]) <= maxMessageSize
  );
}

/** Undefined unless all is well with it, and the answer comes in one piece. */
function operationOf(body: Buffer, short: FastPath): Operation | undefined {
  try {
    return plainOperation(JSON.parse(body.toString()), short);
  } catch {
    // No JSON, or nested deeper than the stack is.
    return undefined;
  }
}

function plainOperation(params: unknown, short: FastPath): Operation | undefined {
  if (!isObject(params) || !Object.keys(params).every((name) => expected.has(name)))
    return undefined;
  const { query, variables, extensions, operationName = null } = params;
  if (typeof query !== "string" || !isOptional(variables) || !isOptional(extensions))
    return undefined;
  if (operationName !== null && typeof operationName !== "string") return undefined;
  const compiled = short.compile(query);
  if ("problems" in compiled || compiled.inParts) return undefined;
  const { document } = compiled;
  const kind = getOperationAST(document, operationName)?.operation;
  if (kind === undefined || kind === OperationTypeNode.SUBSCRIPTION) return undefined;
  return { document, operationName, variableValues: variables ?? null };
}

function isOptional(value: unknown): value is Record<string, unknown> | null | undefined {
  return value == null || isObject(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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
    ...securityHeaders,
    ...requestIdHeader(),
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
