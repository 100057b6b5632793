import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import type { Problem, ProblemCodes } from "./problem.ts";

// A page in somebody's browser must not reach a server that only they can reach. It can make a name of its own point here (DNS rebinding), which
// shows in `Host`, and it can write to a foreign address without seeing the answer, which shows in `Origin`.

export const guardCodes: ProblemCodes = { "host-not-allowed": 421, "origin-not-allowed": 403 };

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

/** For every answer: it is data, is not to be guessed at, and is nobody's frame. */
export const securityHeaders: { readonly [name: string]: string } = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
