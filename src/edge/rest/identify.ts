import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { ClientCertificate } from "../../access/certificate.ts";
import type { AccessPrincipal } from "../../access/principal.ts";
import { err, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Access } from "../../service/access/access.ts";
import type { AuthenticationRefusal, Credentials } from "../../service/access/authenticator.ts";
import type { Session } from "../../service/access/session.ts";
import { peerCertificateOf } from "../../tls/peer-certificate.ts";
import type { RouteAccess } from "./access.ts";
import { headerOf } from "./header.ts";
import type { Problem } from "./problem.ts";

type Request = Pick<IncomingMessage, "headers" | "socket">;

/** Who asks; refused with how to prove it. */
export async function identify(request: Request, { authenticate }: Pick<Access, "authenticate">): Promise<Result<Session, Problem>> {
  const proved = await authenticate(credentialsOf(request));
  return proved.ok ? proved : err(problemOf(proved.error));
}

const credentialsOf = ({ headers, socket }: Request): Credentials<ClientCertificate> => ({
  apiKey: headerOf(headers, "x-api-key") ?? keyInProtocols(headers),
  authorization: headerOf(headers, "authorization") ?? "",
  certificate: () => peerCertificateOf(socket),
  address: socket.remoteAddress ?? "",
});

/**
 * A browser's WebSocket can send no headers but the names of protocols: `cordum-api-key, <key>`, or `cordum-api-key.<key>`, with the key in
 * base64 or as it is.
 */
function keyInProtocols(headers: IncomingHttpHeaders): string {
  const protocols = (headerOf(headers, "sec-websocket-protocol") ?? "").split(",").map((protocol) => protocol.trim());
  const after = protocols.indexOf(keyProtocol);
  const given =
    after < 0 ? protocols.find((one) => one.startsWith(`${keyProtocol}.`))?.slice(keyProtocol.length + 1) : protocols[after + 1];
  if (given === undefined) return "";
  const decoded = Buffer.from(given, "base64").toString();
  return decoded.startsWith("hfk_") ? decoded : given;
}

/** What the server answers of the protocols. */
export const keyProtocol = "cordum-api-key";

function problemOf(refusal: AuthenticationRefusal): Problem {
  switch (refusal.kind) {
    case "no-credentials":
      return unauthenticated("say who you are: an API key in `X-API-Key`, or a key or token as `Authorization: Bearer …`");
    case "bad-credentials":
      return unauthenticated("the credentials are not valid");
    case "unavailable":
      return { status: 503, code: "unavailable", detail: "the credentials cannot be checked right now" };
    case "locked-out":
      return lockedOut(refusal.retryAfter);
  }
}

export function lockedOut(retryAfter: DurationMs): Problem {
  const seconds = Math.ceil(retryAfter / secondMs);
  return {
    status: 429,
    code: "locked-out",
    detail: `too many wrong credentials: try again after ${seconds} s`,
    retryAfterSeconds: seconds,
  };
}

const unauthenticated = (detail: string): Problem => ({ status: 401, code: "unauthenticated", detail });

/** The tenant that a request is for: the one that it names, else the only one of whoever asks, else `default`. */
export function tenantFor({ grants }: AccessPrincipal, headers: IncomingHttpHeaders): string {
  const named = headerOf(headers, "x-tenant-id");
  if (named !== null) return named;
  const [only, ...more] = new Set(grants.flatMap(({ namespaces }) => namespaces));
  return only !== undefined && more.length === 0 && !only.endsWith("*") ? only : "default";
}

/** Why somebody may not ask this; null when they may. */
export function refusedTo({ principal, authority }: Session, access: RouteAccess, tenant: string): Problem | null {
  if (principal === null || access.to === "public" || access.to === "everybody") return null;
  if (access.to === "everywhere")
    return authority.allowsEverywhere(access.permission) ? null : denied(`${access.permission} is needed in every tenant`);
  if (access.permissions.some((permission) => authority.allows(permission, tenant))) return null;
  return denied(`${access.permissions[0]} is needed in tenant ${tenant}`);
}

/** The members of the answer that whoever asks may not see. */
export function hiddenFrom({ principal, authority }: Session, access: RouteAccess, tenant: string): readonly string[] {
  if (principal === null || access.to !== "tenant" || access.payloads === undefined) return [];
  return authority.allows("payloads.read", tenant) ? [] : access.payloads;
}

export function refusedQueue({ principal, authority }: Session, access: RouteAccess, body: unknown): Problem | null {
  if (principal === null || access.to !== "tenant" || access.taskQueue === undefined) return null;
  const queue = access.taskQueue(body);
  return authority.mayPoll(queue) ? null : denied(`task queue ${queue} is not among those of this principal`);
}

const denied = (detail: string): Problem => ({ status: 403, code: "permission-denied", detail });

/** A browser's EventSource and WebSocket cannot send headers of their own: they name the tenant in the query. */
export function claimTenant(headers: IncomingHttpHeaders, query: unknown): void {
  const tenant = typeof query === "object" && query !== null && "tenant" in query ? query.tenant : undefined;
  if (typeof tenant === "string" && tenant !== "" && headerOf(headers, "x-tenant-id") === null) headers["x-tenant-id"] = tenant;
}

/**
 * Puts what was proved in the place of what was said: whatever reads `X-Tenant-ID` and `X-Principal-*` after this reads the truth. Where nobody
 * has to prove anything, what was said is believed.
 */
export function overwriteClaims(headers: IncomingHttpHeaders, { principal, authority }: Session): void {
  if (principal === null) return;
  const tenant = tenantFor(principal, headers);
  headers["x-tenant-id"] = tenant;
  headers["x-principal-id"] = principal.id;
  headers["x-principal-kind"] = principal.kind;
  headers["x-principal-role"] = authority.rolesIn(tenant).join(",");
}
