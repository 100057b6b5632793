import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { secondMs } from "../../base/time.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { refusedByGuard, securityHeaders } from "./guard.ts";
import { headerOf } from "./header.ts";
import type { Problem } from "./problem.ts";
import { createRateLimit } from "./rate-limit.ts";
import { tenantOf } from "./tenant.ts";

export type RestOptions = {
  /** Names under which the server answers, besides those of its machine and addresses; `*` is any. */
  readonly allowedHosts: readonly string[];
  /** Of one principal of a tenant, in the long run; null is without limit. */
  readonly requestsPerSecond: number | null;
  /** At once. */
  readonly requestBurst: number;
};

/** Whoever says no name is known by the address. */
const callerOf = ({ headers, ip }: FastifyRequest): string =>
  JSON.stringify([tenantOf(headers), headerOf(headers, "x-principal-id") ?? ["address", ip]]);

/** What happens to every request, whatever its route: it is refused, counted and measured. */
export function addHooks(
  app: FastifyInstance,
  {
    options: { allowedHosts, requestsPerSecond, requestBurst },
    metrics,
    sendProblem,
  }: {
    readonly options: RestOptions;
    readonly metrics: Pick<Metrics, "httpRequests" | "httpRequestSeconds">;
    readonly sendProblem: (reply: FastifyReply, problem: Problem) => FastifyReply;
  },
): void {
  const rate =
    requestsPerSecond === null
      ? null
      : createRateLimit({ perSecond: requestsPerSecond, burst: requestBurst, now: () => performance.now() });

  app.addHook("onRequest", async (request, reply) => {
    reply.headers(securityHeaders);
    const refused = refusedByGuard(request.headers, allowedHosts);
    if (refused !== null) return sendProblem(reply, refused);
    if (rate === null) return;
    const { allowed, remaining, resetSeconds, retrySeconds } = rate.take(callerOf(request));
    // Source: draft-ietf-httpapi-ratelimit-headers-06.
    reply.headers({ "ratelimit-limit": requestBurst, "ratelimit-remaining": remaining, "ratelimit-reset": resetSeconds });
    if (allowed) return;
    const detail = `more than ${requestsPerSecond} requests a second: try again after ${retrySeconds} s`;
    return sendProblem(reply.header("retry-after", retrySeconds), { status: 429, code: "rate-limited", detail });
  });

  app.addHook("onResponse", async ({ method, routeOptions }, reply) => {
    const route = routeOptions.url ?? "none";
    metrics.httpRequests.add(1, method, route, `${Math.floor(reply.statusCode / 100)}xx`);
    metrics.httpRequestSeconds.observe(reply.elapsedTime / secondMs, route);
  });
}
