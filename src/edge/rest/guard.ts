import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import type { Problem, ProblemCodes } from "./problem.ts";

// A page in somebody's browser must not reach a server that only they can reach. It can make a name of its own point here (DNS rebinding), which
// shows in `Host`, and it can write to a foreign address without seeing the answer, which shows in `Origin`.

export const guardCodes: ProblemCodes = { "host-not-allowed": 421, "origin-not-allowed": 403, "repeated-header": 400 };

/** Why the request is not for this server, or not from where it may come; null when it is. */
export function refusedByGuard(headers: IncomingHttpHeaders, allowedHosts: readonly string[]): Problem | null {
  if (!isAllowedHost(headers.host ?? "", allowedHosts)) {
    const detail = "this server does not answer under the name in `Host`: see `api.allowedHosts` in its configuration";
    return { status: 421, code: "host-not-allowed", detail };
  }
  const { origin } = headers;
  if (origin === undefined || isAllowedHost(origin.replace(/^https?:\/\//i, ""), allowedHosts)) return null;
  const detail = "pages from elsewhere may not use this API: see `api.allowedHosts` in the server's configuration";
  return { status: 403, code: "origin-not-allowed", detail };
}

/** Addresses are allowed, since no page can be served from a name that is none; names only if they are of this machine, or configured. */
function isAllowedHost(hostAndPort: string, allowed: readonly string[]): boolean {
  const bracketed = /^\[([^\]]*)\](:\d+)?$/.exec(hostAndPort)?.[1];
  const host = (bracketed ?? hostAndPort.replace(/:\d+$/, "")).toLowerCase().replace(/\.$/, "");
  if (isIP(host) !== 0 || host === "localhost" || host.endsWith(".localhost")) return true;
  return allowed.some((name) => name === "*" || (host !== "" && name.toLowerCase() === host));
}

/** Said twice, each of these could be read in two ways by two readers, such as a proxy and this server. */
const single: ReadonlySet<string> = new Set([
  "authorization",
  "content-type",
  "host",
  "idempotency-key",
  "origin",
  "x-api-key",
  "x-principal-id",
  "x-principal-kind",
  "x-principal-role",
  "x-tenant-id",
]);

/** Why headers cannot be understood; null when they can. `rawHeaders` are names and values in turn. */
export function refusedByHeaders(rawHeaders: readonly string[]): Problem | null {
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    if (!single.has(name)) continue;
    if (seen.has(name)) return { status: 400, code: "repeated-header", detail: `the header \`${name}\` is there more than once` };
    seen.add(name);
  }
  return null;
}
