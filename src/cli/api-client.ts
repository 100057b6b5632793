import type { Command } from "commander";
import { addressVariable, apiKeyVariable, clientCaVariable, clientCertVariable, clientKeyVariable } from "../config/sources.ts";
import { type CliContext, exitCodes, type Finish, UsageError } from "./context.ts";
import { type ClientTls, send } from "./http-client.ts";
import { oneLine } from "./table.ts";
import { textOf } from "./text-file.ts";

/** Flags of every command that asks a running server. */
export type ApiOptions = {
  readonly address?: string;
  readonly apiKey?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly namespace?: string;
  readonly as?: string;
  readonly role?: readonly string[];
};

const addressDefault = "127.0.0.1:8081";

/** For what is of the whole server. */
export const addAddressOption = (command: Command): Command =>
  command
    .option("--address <address>", `HTTP port of the server, host:port or a URL (or ${addressVariable}; default ${addressDefault})`)
    .option("--api-key <key>", `who you are (better in ${apiKeyVariable}, where other users of this machine cannot read it)`)
    .option("--tls-ca <file>", `authority that vouches for the server, PEM (or ${clientCaVariable})`)
    .option("--tls-cert <file>", `your own certificate, PEM (or ${clientCertVariable})`)
    .option("--tls-key <file>", `its private key, PEM (or ${clientKeyVariable})`);

export const addApiOptions = (command: Command): Command =>
  addAddressOption(command).option("--namespace <name>", "namespace to look into; default: the only one of your key, or else `default`");

export type ApiRequest = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  /** A text is YAML. */
  readonly body?: object | string;
  /** Sent again with the same key, it is carried out once. */
  readonly idempotencyKey?: string;
};

/** The server cannot be reached, or refused: one sentence that says which. */
export class ApiError extends Error {
  override readonly name = "ApiError";
}

/** Asks the server. Rejects with an ApiError unless it agrees. */
export async function ask(
  { method, path, body, idempotencyKey }: ApiRequest,
  options: ApiOptions,
  { environment }: CliContext,
): Promise<Response> {
  const { namespace, as, role } = options;
  const tls = tlsOf(options, environment);
  const at = options.address ?? environment[addressVariable] ?? addressDefault;
  const url = urlOf(at, tls, path);
  const apiKey = (options.apiKey ?? environment[apiKeyVariable] ?? "").trim();
  let response: Response;
  try {
    response = await send(url, {
      method,
      headers: {
        ...(namespace === undefined ? {} : { "x-tenant-id": namespace }),
        ...(apiKey === "" ? {} : { "x-api-key": apiKey }),
        ...(as === undefined ? {} : { "x-principal-id": as, "x-principal-role": (role ?? []).join(",") }),
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
        ...(body === undefined ? {} : { "content-type": typeof body === "string" ? "application/yaml" : "application/json" }),
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      tls,
    });
  } catch (error) {
    throw new ApiError(failureOf(error, at), { cause: error });
  }
  if (!response.ok) throw new ApiError(await refusalOf(response));
  return response;
}

/** The certificates that the flags name, or else the environment. */
function tlsOf({ tlsCa, tlsCert, tlsKey }: ApiOptions, environment: NodeJS.ProcessEnv): ClientTls {
  const ca = tlsCa ?? environment[clientCaVariable];
  const cert = tlsCert ?? environment[clientCertVariable];
  const key = tlsKey ?? environment[clientKeyVariable];
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError([`--tls-cert and --tls-key (or ${clientCertVariable} and ${clientKeyVariable}) belong together`]);
  return {
    ...(ca === undefined ? {} : { ca: textOf(ca) }),
    ...(cert === undefined || key === undefined ? {} : { cert: textOf(cert), key: textOf(key) }),
  };
}

/** An address without a scheme is one of TLS when certificates are given. */
function urlOf(address: string, tls: ClientTls, path: string): URL {
  const isSecure = Object.keys(tls).length > 0;
  const base = /^https?:\/\//.test(address) ? address.replace(/\/$/, "") : `${isSecure ? "https" : "http"}://${address}`;
  if (!URL.canParse(base)) throw new UsageError([`--address: expected host:port or a URL, not ${JSON.stringify(address)}`]);
  // Or somebody believes that nobody can listen.
  if (isSecure && base.startsWith("http:")) throw new UsageError([`--address: certificates are of no use for ${address}: write https://`]);
  return new URL(`${base}/api/v1${path}`);
}

function failureOf(error: unknown, at: string): string {
  const code = error instanceof Error ? ("code" in error && String(error.code)) || error.message : String(error);
  if (/CERT|SIGNATURE|ISSUER/.test(code) && !code.startsWith("ERR_SSL"))
    return `the certificate of the server at ${at} is not trusted (${code}); name its authority with --tls-ca`;
  if (code === "EPROTO" || code.startsWith("ERR_SSL")) return `no connection with TLS to the server at ${at}: ${reasonOf(error)}`;
  const hint = code === "ECONNRESET" && !at.startsWith("https:") ? "; if it speaks TLS, write https:// before it" : "";
  return `no server answers at ${at} (${code}); name its HTTP port with --address${hint}`;
}

/** OpenSSL puts the place in its source before what it has to say. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && "reason" in error ? String(error.reason) : error instanceof Error ? error.message : String(error);

/** What a problem (RFC 9457) says. */
async function refusalOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { detail, code } = JSON.parse(text) as { readonly detail?: string; readonly code?: string };
    if (detail !== undefined) return `${detail} (${code ?? response.status})`;
  } catch {
    // Not our server, or something in front of it.
  }
  return `the server answered ${response.status}`;
}

/** Runs what a command does with the server; a failure is one sentence, and exit code 1. */
export async function withServer(context: CliContext, finish: Finish, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    finish(exitCodes.ok);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    context.complain(oneLine(`holdfast: ${error.message}`));
    finish(exitCodes.failure);
  }
}

/** Items of a list, page by page, at most `limit`. */
export async function listed<T>(
  path: string,
  parameters: { readonly [name: string]: string | undefined },
  limit: number,
  options: ApiOptions,
  context: CliContext,
): Promise<readonly T[]> {
  const items: T[] = [];
  for (let cursor: string | null = null; ; ) {
    const query: string = queryOf({ ...parameters, limit: String(Math.min(limit - items.length, pageMax)), cursor: cursor ?? undefined });
    const page = (await (await ask({ method: "GET", path: `${path}?${query}` }, options, context)).json()) as Page<T>;
    items.push(...page.items);
    cursor = page.next_cursor;
    if (cursor === null || items.length >= limit) return items;
  }
}

const pageMax = 100;
type Page<T> = { readonly items: readonly T[]; readonly next_cursor: string | null };

export const queryOf = (parameters: { readonly [name: string]: string | undefined }): string =>
  new URLSearchParams(Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined)).toString();
