import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { createConcurrency } from "../../service/access/concurrency.ts";
import { StoreError } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { RouteAccess } from "./access.ts";
import { documentedRoutes } from "./document-routes.ts";
import { withoutPayloads } from "./hidden-payloads.ts";
import { addHooks, type RestOptions } from "./hooks.ts";
import { hiddenFrom, refusedTo } from "./identify.ts";
import { isNestedTooDeeply, nestingMax } from "./nesting.ts";
import { badRequest, notJson, type Problem, problemBody, problemType } from "./problem.ts";
import type { Answer, RestServices, Route } from "./route.ts";
import { routeAccess } from "./route-access.ts";
import { type RouteName, routes } from "./routes.ts";
import { sendEvents } from "./server-sent-events.ts";
import { createStreamSockets, type StreamSockets } from "./stream-socket.ts";
import { tenantOf } from "./tenant.ts";

/** Everything under `/api/`, for a server that hands its requests over. */
export type RestApi = StreamSockets & {
  handle(request: IncomingMessage, response: ServerResponse): void;
};

/** Larger requests are refused. */
export const bodyBytesMax = 2 ** 20;

const yamlTypes = ["application/yaml", "application/x-yaml", "text/yaml"];

/** Builds the REST API over the use cases of a server. It has no port of its own. */
export async function createRestApi({
  services,
  options,
  metrics,
  log,
}: {
  services: RestServices;
  options: RestOptions;
  metrics: Metrics;
  log: Log;
}): Promise<RestApi> {
  const app = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    frameworkErrors: (error, request, reply) => sendProblem(reply, problemOfError(error, request)),
  });
  const accessByPath = new Map<string, RouteAccess>();
  // HEAD is GET without its body, and tells as much.
  const accessOf = ({ method, routeOptions }: FastifyRequest): RouteAccess =>
    routeOptions.url === undefined
      ? publicAccess
      : (accessByPath.get(`${method === "HEAD" ? "GET" : method} ${routeOptions.url}`) ?? unknownAccess);
  const concurrency = createConcurrency(options.concurrentRequests);
  const sessions = addHooks(app, {
    options,
    concurrency,
    access: services.access,
    admission: services.admission,
    accessOf,
    metrics,
    sendProblem,
  });
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  const bodies = new WeakMap<FastifyRequest, string>();
  // A request without content may still say that it is JSON.
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body: string, done) => {
    bodies.set(request, body);
    if (body === "") return done(null, undefined);
    return isNestedTooDeeply(body) ? done(new TooDeep()) : parseJson(request, body, done);
  });
  app.addContentTypeParser(yamlTypes, { parseAs: "string" }, (request, body: string, done) => {
    bodies.set(request, body);
    done(null, body);
  });
  const methodsOf = methodsByPath(documentedRoutes(routes));
  app.setNotFoundHandler(({ method, url }, reply) => {
    const path = pathOf(url);
    const allowed = methodsOf(path);
    if (allowed.length === 0)
      return sendProblem(reply, { status: 404, code: "no-such-route", detail: `there is nothing at \`${method} ${path}\`` });
    const detail = `\`${path}\` is asked with ${allowed.join(", ")}`;
    return sendProblem(reply.header("allow", allowed.join(", ")), { status: 405, code: "method-not-allowed", detail });
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOfError(error, request);
    if (problem.status >= 500) log.error("request failed", { method: request.method, path: pathOf(request.url) }, error);
    return sendProblem(reply, problem);
  });
  for (const { method, path, bodyBytesMax: ownBytesMax, success, answer } of documentedRoutes(routes)) {
    app.route({
      method,
      url: path,
      bodyLimit: ownBytesMax?.(services) ?? bodyBytesMax,
      handler: async (request, reply) => {
        const { headers, params, query, body } = request;
        const session = sessions.of(request);
        // Who waits, or watches, does so as long as their credentials hold.
        reply.raw.once(
          "close",
          session.onEnd(() => reply.raw.destroy()),
        );
        const signal = leaving(reply);
        const [text, address] = [bodies.get(request) ?? "", request.socket.remoteAddress ?? ""];
        const stillMay = () => refusedTo(session, accessOf(request), tenantOf(headers)) === null;
        reply.raw.once(
          "close",
          session.onChange(() => void (stillMay() || reply.raw.destroy())),
        );
        const answered = await answer({ headers, params, query, body, text, signal, session, address }, services);
        if (!answered.ok) return sendProblem(reply, answered.error);
        const hidden = hiddenFrom(sessions.of(request), accessOf(request), tenantOf(headers));
        return send(reply, success, hidden.length === 0 ? answered.value : withoutPayloadsIn(answered.value, hidden), log);
      },
    });
  }
  for (const { method, path } of documentedRoutes({})) accessByPath.set(`${method} ${path}`, publicAccess);
  for (const [name, { method, path }] of Object.entries(routes)) accessByPath.set(`${method} ${path}`, routeAccess[name as RouteName]);
  await app.ready();
  return { handle: app.routing, upgrade: createStreamSockets({ ...services, concurrency, metrics }, options).upgrade };
}

/** The methods that a path is asked with; none where there is nothing. */
function methodsByPath(all: readonly Route[]): (path: string) => readonly string[] {
  const known = all.map(({ method, path }) => ({ method, pattern: new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`) }));
  return (path) => [...new Set(known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
}

/** What describes the API, and paths that lead nowhere. */
const publicAccess: RouteAccess = { to: "public" };
/** Of a route that no table has: there is none, and if there were, it would not be for everybody. */
const unknownAccess: RouteAccess = { to: "everywhere", permission: "system.read" };

const withoutPayloadsIn = (answer: Answer, names: readonly string[]): Answer =>
  "json" in answer ? { ...answer, json: withoutPayloads(answer.json, names) } : answer;

/** Aborts when the connection is closed, at the latest after the answer. */
function leaving({ raw }: FastifyReply): AbortSignal {
  const left = new AbortController();
  raw.once("close", () => left.abort());
  return left.signal;
}

function send(reply: FastifyReply, success: Route["success"], answer: Answer, log: Log): FastifyReply {
  reply.status(success.status ?? 200).header("cache-control", "no-store");
  if ("mediaType" in success) reply.type(success.mediaType);
  if ("nothing" in answer) return reply.status(204).send();
  if ("events" in answer) return sendEvents(reply, answer.events);
  if ("text" in answer) return reply.headers(answer.headers ?? {}).send(answer.text);
  if ("json" in answer) return reply.headers(answer.headers ?? {}).send(answer.json);
  if ("bytes" in answer) return reply.header("content-disposition", attachment(answer.fileName)).send(answer.bytes);
  const lines = Readable.from(answer.lines, { objectMode: false });
  lines.on("error", (error) => log.error("export broke off", { path: pathOf(reply.request.url) }, error));
  return reply.header("content-disposition", attachment(answer.fileName)).send(lines);
}

const attachment = (fileName: string): string => `attachment; filename*=UTF-8''${encodeURIComponent(fileName)}`;

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.retryAfterSeconds !== undefined) reply.header("retry-after", problem.retryAfterSeconds);
  if (problem.status === 401) reply.header("www-authenticate", 'Bearer realm="holdfast"');
  return reply.status(problem.status).type(problemType).header("cache-control", "no-store").send(problemBody(problem));
}

const pathOf = (url: string): string => url.split("?", 1)[0] ?? "/";

/** What went wrong before a route saw the request, or inside it. */
function problemOfError(error: unknown, { routeOptions }: Pick<FastifyRequest, "routeOptions">): Problem {
  if (error instanceof StoreError) return { status: 503, code: "unavailable", detail: "the database cannot be used right now" };
  if (error instanceof TooDeep) return tooDeep;
  const { code, statusCode = 500 } = error as { readonly code?: string; readonly statusCode?: number };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return { status: 413, code: "too-large", detail: `the body is larger than ${routeOptions.bodyLimit} bytes` };
  const known = code === undefined ? undefined : libraryProblems[code];
  if (known !== undefined) return known;
  if (error instanceof SyntaxError) return badJson;
  if (statusCode >= 400 && statusCode < 500) return { status: statusCode, code: "bad-request", detail: "the request cannot be understood" };
  return { status: 500, code: "internal", detail: "something went wrong here, and is in the server's log" };
}

/** A body that code which follows a value to its end could not follow. */
class TooDeep extends Error {
  override readonly name = "TooDeep";
}
const tooDeep = badRequest("bad-json", `the body is nested more than ${nestingMax} times`);
const badJson = badRequest("bad-json", "the body is not JSON");
const libraryProblems: { readonly [code: string]: Problem } = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: notJson,
  FST_ERR_CTP_INVALID_JSON_BODY: badJson,
  FST_ERR_CTP_EMPTY_JSON_BODY: badJson,
};
