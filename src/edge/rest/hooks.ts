import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ok } from "../../base/result.ts";
import { secondMs } from "../../base/time.ts";
import type { Access } from "../../service/access/access.ts";
import { type Concurrency, callerOf as underWayOf } from "../../service/access/concurrency.ts";
import { openSession, type Session } from "../../service/access/session.ts";
import type { Admission } from "../../service/fairness/admission.ts";
import type { RequestKind } from "../../service/quotas/quotas.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { RouteAccess } from "./access.ts";
import { refusedByGuard, refusedByHeaders } from "./guard.ts";
import { headerOf } from "./header.ts";
import { claimTenant, identify, overwriteClaims, refusedQueue, refusedTo } from "./identify.ts";
import type { Problem } from "./problem.ts";
import { problemOfExhausted } from "./quota-problem.ts";
import { createRateLimit } from "./rate-limit.ts";
import { routeAccess } from "./route-access.ts";
import { tenantOf } from "./tenant.ts";

export type RestOptions = {
  /** Names under which the server answers, besides those of its machine and addresses; `*` is any. */
  readonly allowedHosts: readonly string[];
  /** Of one principal of a tenant, in the long run; null is without limit. */
  readonly requestsPerSecond: number | null;
  /** At once. */
  readonly requestBurst: number;
  /** Of one principal, under way at one time; null is without limit. */
  readonly concurrentRequests: number | null;
};

export const tooManyUnderWay = (max: number | null): Problem => ({
  status: 429,
  code: "too-many-requests-under-way",
  detail: `${max} requests of this principal are under way: wait until one of them is answered`,
  retryAfterSeconds: 1,
});

/** Whoever says no name is known by the address. */
const callerOf = ({ headers, ip }: FastifyRequest): string =>
  JSON.stringify([tenantOf(headers), headerOf(headers, "x-principal-id") ?? ["address", ip]]);

/** Those who answer tasks go on when clients are held up. */
const kindOf = ({ permissions }: Extract<RouteAccess, { readonly to: "tenant" }>): RequestKind =>
  permissions.every((permission) => permission === "tasks.work") ? "answer" : "request";

/** Requests with what is known of who makes them. */
export type Sessions = { of(request: FastifyRequest): Session };

/** What happens to every request, whatever its route: it is refused, counted and measured. */
export function addHooks(
  app: FastifyInstance,
  {
    options: { allowedHosts, requestsPerSecond, requestBurst, concurrentRequests },
    concurrency,
    access,
    admission,
    accessOf,
    metrics,
    sendProblem,
  }: {
    readonly options: RestOptions;
    readonly concurrency: Concurrency;
    readonly access: Pick<Access, "authenticate">;
    readonly admission: Admission;
    /** Who may ask what the request asks for. */
    readonly accessOf: (request: FastifyRequest) => RouteAccess;
    readonly metrics: Pick<Metrics, "httpRequests" | "httpRequestSeconds" | "refusedByLimit">;
    readonly sendProblem: (reply: FastifyReply, problem: Problem) => FastifyReply;
  },
): Sessions {
  const rate =
    requestsPerSecond === null
      ? null
      : createRateLimit({ perSecond: requestsPerSecond, burst: requestBurst, now: () => performance.now() });

  const sessions = new WeakMap<FastifyRequest, Session>();

  app.addHook("onRequest", async (request, reply) => {
    const refused = refusedByHeaders(request.raw.rawHeaders) ?? refusedByGuard(request.headers, allowedHosts);
    if (refused !== null) return sendProblem(reply, refused);
    const asked = accessOf(request);
    const proved = asked.to === "public" ? ok(openSession) : await identify(request.raw, access);
    if (!proved.ok) {
      await admission.enterStranger();
      return sendProblem(reply, proved.error);
    }
    sessions.set(request, proved.value);
    if (asked === routeAccess.streamEvents) claimTenant(request.headers, request.query);
    overwriteClaims(request.headers, proved.value);
    const forbidden = refusedTo(proved.value, asked, tenantOf(request.headers));
    if (forbidden !== null) return sendProblem(reply, forbidden);
    const leave = concurrency.enter(underWayOf(proved.value, request.ip));
    if (leave === null) {
      metrics.refusedByLimit.add(1, "http", "concurrency");
      return sendProblem(reply, tooManyUnderWay(concurrentRequests));
    }
    reply.raw.once("close", leave);
    if (asked.to === "tenant") {
      const entered = await admission.enter(tenantOf(request.headers), kindOf(asked));
      if (!entered.ok) return sendProblem(reply, problemOfExhausted(entered.error));
    }
    if (rate === null) return;
    const { allowed, remaining, resetSeconds, retrySeconds } = rate.take(callerOf(request));
    // Source: draft-ietf-httpapi-ratelimit-headers-06.
    reply.headers({ "ratelimit-limit": requestBurst, "ratelimit-remaining": remaining, "ratelimit-reset": resetSeconds });
    if (allowed) return;
    metrics.refusedByLimit.add(1, "http", "rate");
    const detail = `more than ${requestsPerSecond} requests a second: try again after ${retrySeconds} s`;
    return sendProblem(reply.header("retry-after", retrySeconds), { status: 429, code: "rate-limited", detail });
  });

  app.addHook("preHandler", async (request, reply) => {
    const session = sessions.get(request);
    const refused = session === undefined ? null : refusedQueue(session, accessOf(request), request.body);
    if (refused !== null) return sendProblem(reply, refused);
  });

  app.addHook("onResponse", async ({ method, routeOptions }, reply) => {
    const route = routeOptions.url ?? "none";
    metrics.httpRequests.add(1, method, route, `${Math.floor(reply.statusCode / 100)}xx`);
    metrics.httpRequestSeconds.observe(reply.elapsedTime / secondMs, route);
  });

  return { of: (request) => sessions.get(request) ?? openSession };
}
