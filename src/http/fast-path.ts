/** Answers plain JSON requests with the engine's own pipeline, without Yoga's HTTP adapter and its Fetch API objects. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { getOperationAST, OperationTypeNode } from "graphql";
import { processRegularResult } from "graphql-yoga";
import type { Engine, Operation, FastPath } from "../graphql/execution/engine.ts";
import { securityHeaders } from "../graphql/plugins/use-security-headers.ts";
import { requestIdHeader } from "../lib/log-context.ts";
import type { AllowsOrigin } from "../request/origin-check.ts";
import { giveBody, readBody, type ReadRequest } from "./body.ts";
import { identifyRequest, type RequestOptions } from "./caller.ts";
import { jsonTypeFor, type JsonType } from "./response-type.ts";

export interface FastPathOptions extends RequestOptions {
  readonly engine: Engine;
  /** Maximum size of a body (bytes). */
  readonly maxMessageSize: number;
  /** The origins whose pages may call and read the response. */
  readonly allowsOrigin: AllowsOrigin;
}

type FastPathResult = Awaited<ReturnType<FastPath["answer"]>>;

const knownParameters = new Set(["query", "variables", "operationName", "extensions"]);

/**
 * Answers a plain JSON request. Resolves to false for all other requests, and for all invalid ones: the engine's
 * adapter answers those, and can read the body again.
 */
export async function answerPlainJson(
  request: ReadRequest,
  response: ServerResponse,
  options: FastPathOptions,
): Promise<boolean> {
  const { fastPath } = options.engine;
  const type = jsonTypeFor(request.headers.accept);
  if (type === undefined || fastPath === undefined || !isPlain(request, options.maxMessageSize))
    return false;
  const body = await readBody(request, options.maxMessageSize);
  if (body === undefined) return true;
  const operation = operationOf(body, fastPath);
  if (operation === undefined) {
    giveBody(request, body);
    return false;
  }
  const result = await fastPath.answer(operation, identifyRequest(request, response, options));
  await respond(response, result, type, request, options);
  return true;
}

/** Whether no header needs the adapter: for another content type or encoding, or a body of unknown length. */
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

/** Undefined unless the operation is valid and has a single result. */
function operationOf(body: Buffer, fastPath: FastPath): Operation | undefined {
  try {
    return plainOperation(JSON.parse(body.toString()), fastPath);
  } catch {
    // Invalid JSON, or a document nested deeper than the stack allows.
    return undefined;
  }
}

function plainOperation(params: unknown, fastPath: FastPath): Operation | undefined {
  if (!isObject(params) || !Object.keys(params).every((name) => knownParameters.has(name)))
    return undefined;
  const { query, variables, extensions, operationName = null } = params;
  if (typeof query !== "string" || !isOptional(variables) || !isOptional(extensions))
    return undefined;
  if (operationName !== null && typeof operationName !== "string") return undefined;
  const compiled = fastPath.compile(query);
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

async function respond(
  response: ServerResponse,
  result: FastPathResult,
  type: JsonType,
  request: IncomingMessage,
  { engine, allowsOrigin }: FastPathOptions,
): Promise<void> {
  const { origin, host } = request.headers;
  const headers: Record<string, string> = { "content-type": `${type}; charset=utf-8` };
  let status = 200;
  let body: string;
  if (hasOnlyData(result)) body = JSON.stringify(result);
  else {
    const answer = processRegularResult(result, engine.fetchAPI, type);
    ({ status } = answer);
    for (const [name, value] of answer.headers) headers[name.toLowerCase()] = value;
    body = await answer.text();
  }
  if (response.destroyed) return;
  response.writeHead(status, {
    ...headers,
    "content-length": Buffer.byteLength(body),
    ...securityHeaders,
    ...requestIdHeader(),
    ...(origin !== undefined && allowsOrigin(origin, host ?? null) && corsHeaders(origin)),
  });
  response.end(body);
}

function corsHeaders(origin: string): Record<string, string> {
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST",
  };
}

function hasOnlyData(result: object): boolean {
  return "data" in result && !("errors" in result) && !("extensions" in result);
}
