import type { Command } from "commander";
import { addressVariable } from "../config/sources.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { oneLine } from "./table.ts";

/** Flags of every command that asks a running server. */
export type ApiOptions = {
  readonly address?: string;
  readonly namespace?: string;
  readonly as?: string;
  readonly role?: readonly string[];
};

const addressDefault = "127.0.0.1:8081";

/** For what is of the whole server. */
export const addAddressOption = (command: Command): Command =>
  command.option("--address <host:port>", `HTTP port of the server (or ${addressVariable}; default ${addressDefault})`);

export const addApiOptions = (command: Command): Command =>
  addAddressOption(command).option("--namespace <name>", "namespace to look into", "default");

export type ApiRequest = {
  readonly method: "GET" | "POST" | "DELETE";
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
  { address, namespace, as, role }: ApiOptions,
  { environment }: CliContext,
): Promise<Response> {
  const at = address ?? environment[addressVariable] ?? addressDefault;
  const url = `${/^https?:\/\//.test(at) ? at.replace(/\/$/, "") : `http://${at}`}/api/v1${path}`;
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: {
        "x-tenant-id": namespace ?? "default",
        ...(as === undefined ? {} : { "x-principal-id": as, "x-principal-role": (role ?? []).join(",") }),
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
        ...(body === undefined ? {} : { "content-type": typeof body === "string" ? "application/yaml" : "application/json" }),
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  } catch (error) {
    throw new ApiError(`no server answers at ${at} (${reasonOf(error)}); name its HTTP port with --address`, { cause: error });
  }
  if (!response.ok) throw new ApiError(await refusalOf(response));
  return response;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? ("code" in cause && String(cause.code)) || cause.message : String(cause);
}

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
