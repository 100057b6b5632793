import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { assert } from "../../base/assert.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { Session } from "../../service/access/session.ts";
import type { Core } from "../../service/core.ts";
import { PageTokenError } from "../../store/store.ts";
import { accessCodes, identityCodes } from "./access.ts";
import { answerOnce, idempotentCodes, type Repeatable } from "./idempotent.ts";
import { badRequest, bodyProblems, commonProblems, notJson, type Problem, type ProblemCodes } from "./problem.ts";
import type { Subscription } from "./watch.ts";

/** What the routes need of the server. */
export type RestServices = Pick<
  Core,
  | "access"
  | "admission"
  | "approvals"
  | "artifacts"
  | "audit"
  | "backtest"
  | "checkpoints"
  | "configs"
  | "doctor"
  | "endpoints"
  | "idempotency"
  | "dag"
  | "deadLetters"
  | "jobs"
  | "kernel"
  | "leases"
  | "locks"
  | "pingEndpoint"
  | "policies"
  | "policyLimits"
  | "quotas"
  | "schemas"
  | "stream"
  | "traces"
  | "workers"
>;

export type Answer<R = unknown> =
  | { readonly json: R; readonly headers?: { readonly etag?: string; readonly "x-trace-id"?: string } }
  /** Server-sent events, until either side has enough. */
  | { readonly events: Subscription }
  | { readonly nothing: true }
  /** Written as they come, as far as the reader keeps up. The name is for people who download it. */
  | { readonly lines: AsyncIterable<string>; readonly fileName: string }
  /** To be downloaded under that name. */
  | { readonly bytes: Uint8Array; readonly fileName: string }
  /** Of the route's media type. */
  | { readonly text: string; readonly headers?: { readonly "content-security-policy": string } };

export type Answered<R = unknown> = Result<Answer<R>, Problem>;

/** What a request that is not refused is answered with. */
export type Success<R = unknown> =
  | ({
      /** 200 when nothing is said. */
      readonly status?: 200 | 201 | 202;
      /** Whether the answer has an `ETag`. */
      readonly etag?: boolean;
    } & ({ readonly json: z.ZodMiniType<R> /** Or 204 with nothing. */; readonly orNothing?: true } | { readonly mediaType: string }))
  /** There is nothing to say. */
  | { readonly status: 204 };

export type Route = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `:name` stands for a parameter. */
  readonly path: string;
  /** One line for people. */
  readonly summary: string;
  readonly params: z.ZodMiniType | null;
  readonly query: z.ZodMiniType | null;
  readonly body: z.ZodMiniType | null;
  /** Whether the body may be YAML in place of JSON. */
  readonly yaml: boolean;
  /** Larger bodies are refused; null for what every route takes. */
  readonly bodyBytesMax: ((services: RestServices) => number) | null;
  readonly success: Success;
  /** Everything it may refuse with. */
  readonly problems: ProblemCodes;
  answer(request: RawRequest, services: RestServices): Promise<Answered>;
};

/** As it came in. */
export type RawRequest = {
  readonly headers: IncomingHttpHeaders;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  /** The body before anything has read it. */
  readonly text: string;
  /** Aborts when whoever asked has left. */
  readonly signal: AbortSignal;
  /** Who asks, as it was proved. */
  readonly session: Session;
  /** Where the connection comes from. */
  readonly address: string;
};

type Asked<P, Q, B> = {
  readonly headers: IncomingHttpHeaders;
  readonly requestId: string;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly text: string;
  readonly signal: AbortSignal;
  readonly session: Session;
  readonly address: string;
};

const nothing = z.strictObject({});

const remarkLettersMax = 2_000;
/** What somebody says of an act, for the record. */
export const remark = z.optional(
  z.nullable(z.string("expected a text").check(z.maxLength(remarkLettersMax, `expected at most ${remarkLettersMax} letters`))),
);

/** A route whose handler sees only what its schemas let pass, and answers as they say. A missing body is an empty one. */
export function route<P = object, Q = object, B = object, R = unknown>({
  method,
  path,
  summary,
  params,
  query,
  body,
  yaml = false,
  bodyBytesMax = null,
  success,
  problems = {},
  idempotent = false,
  isPublic = false,
  needsNoPermission = false,
  handle,
}: {
  readonly method: Route["method"];
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodMiniType<P>;
  readonly query?: z.ZodMiniType<Q>;
  readonly body?: z.ZodMiniType<B>;
  readonly yaml?: boolean;
  readonly bodyBytesMax?: Route["bodyBytesMax"];
  readonly success: Success<R>;
  /** What the handler refuses with; what every route may is added. */
  readonly problems?: ProblemCodes;
  /**
   * Heeds `Idempotency-Key`. INVARIANT: what the handler does twice with one `requestId` has one effect: after a crash it may be asked again.
   */
  readonly idempotent?: boolean;
  /** Whether strangers are answered. */
  readonly isPublic?: boolean;
  /** Whether whoever proves who they are is answered. */
  readonly needsNoPermission?: boolean;
  handle(asked: Asked<P, Q, B>, services: RestServices): Promise<Answered<NoInfer<R>>>;
}): Route {
  return {
    method,
    path,
    summary,
    params: params ?? null,
    query: query ?? null,
    body: body ?? null,
    yaml,
    bodyBytesMax,
    success,
    problems: {
      ...(idempotent ? idempotentCodes : {}),
      ...commonProblems,
      ...(isPublic ? {} : needsNoPermission ? identityCodes : accessCodes),
      ...(method === "GET" ? {} : bodyProblems),
      ...problems,
    },
    answer: async ({ headers, text, signal, session, address, ...raw }, services) => {
      if (!yaml && isYaml(headers)) return err(notJson);
      const parsed = z
        .object({ params: params ?? nothing, query: query ?? nothing, body: body ?? z.unknown() })
        .safeParse({ params: raw.params, query: raw.query, body: raw.body === undefined ? {} : raw.body });
      if (!parsed.success) return err(invalid(parsed.error.issues));
      // The schemas are those of the types, or let nothing pass where there is none.
      const act = (requestId: string) =>
        handle({ headers, text, signal, session, address, requestId, ...(parsed.data as { params: P; query: Q; body: B }) }, services);
      if (!idempotent) return act(randomUUID());
      return answerOnce(
        { route: `${method} ${path}`, headers, ...raw },
        { idempotency: services.idempotency, newId: randomUUID },
        async (requestId) => {
          const answered = await act(requestId);
          assert(!answered.ok || "json" in answered.value, "what is answered again is JSON");
          return answered as Repeatable;
        },
      );
    },
  };
}

export function invalid(issues: readonly z.core.$ZodIssue[]): Problem {
  const errors = issues.flatMap(({ path: [_, ...path], ...issue }) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ detail: "there is no such field", pointer: pointerOf([...path, key]) }))
      : [{ detail: issue.message, pointer: pointerOf(path) }],
  );
  return { ...badRequest("invalid-request", errors.map(({ detail, pointer }) => `${pointer}: ${detail}`).join("; ")), errors };
}

export const isYaml = (headers: IncomingHttpHeaders): boolean => /^(application|text)\/(x-)?yaml\b/i.test(headers["content-type"] ?? "");

const pointerOf = (path: readonly PropertyKey[]): string => `#/${path.map(String).join("/")}`;

export const cursorCodes: ProblemCodes = { "bad-cursor": 400 };

/** Answers a bad cursor, which only the store can tell, as bad input. */
export async function paged<T>(read: () => Promise<T>): Promise<Result<T, Problem>> {
  try {
    return ok(await read());
  } catch (error) {
    if (!(error instanceof PageTokenError)) throw error;
    return err(badRequest("bad-cursor", "`cursor` is not the `next_cursor` of a page of this list"));
  }
}
