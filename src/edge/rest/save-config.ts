import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import type { JsonObject } from "../../dag/json.ts";
import { type ConfigDocument, type ConfigScope, configScopes, systemScopeId, tagOf } from "../../service/configs/config.ts";
import { askerOf } from "./asker.ts";
import { configCodes, configProblem, configQuery, configSchema, configView, documentIn } from "./config-view.ts";
import { headerOf, tagIn } from "./header.ts";
import { badRequest, type Problem } from "./problem.ts";
import { type RestServices, route } from "./route.ts";

const anything = z.record(z.string(), z.unknown(), "expected an object");
const fields = { data: anything, meta: z.optional(z.nullable(anything)) };
const problems = {
  ...configCodes("no-such-namespace", "too-many-configs", "config-changed", "busy"),
  "bad-config": 400,
  "bad-condition": 400,
};

/** As Cordum's clients send it; `If-Match` is ours. */
export const saveConfig = route({
  method: "POST",
  path: "/api/v1/config",
  summary: "Puts the configuration of a scope in the place of the one that is there; runs that have started keep what they started with",
  body: z.strictObject({
    scope: z.optional(z.enum(configScopes, `expected one of ${configScopes.join(", ")}`)),
    scope_id: z.optional(z.string("expected a text")),
    ...fields,
  }),
  success: { status: 204 },
  problems,
  handle: async ({ headers, body: { scope = "system", scope_id: scopeId = systemScopeId, data, meta } }, services) => {
    const saved = await save(services, headers, { scope, scopeId, data, meta });
    return saved.ok ? ok({ nothing: true }) : saved;
  },
});

export const putConfig = route({
  method: "PUT",
  path: "/api/v1/config",
  summary: "Puts the configuration of a scope in the place of the one that is there, and answers with it",
  query: configQuery,
  body: z.strictObject(fields),
  success: { json: configSchema, etag: true },
  problems,
  handle: async ({ headers, query, body: { data, meta } }, services) => {
    const saved = await save(services, headers, { ...documentIn(query), data, meta });
    return saved.ok ? ok({ json: configView(saved.value), headers: { etag: `"${tagOf(saved.value)}"` } }) : saved;
  },
});

type Sent = {
  readonly scope: ConfigScope;
  readonly scopeId: string;
  readonly data: { readonly [key: string]: unknown };
  readonly meta: { readonly [key: string]: unknown } | null | undefined;
};

async function save(
  { configs }: Pick<RestServices, "configs">,
  headers: IncomingHttpHeaders,
  { scope, scopeId, data, meta }: Sent,
): Promise<Result<ConfigDocument, Problem>> {
  const { namespace, by } = askerOf(headers);
  const seen = tagIn(headerOf(headers, "if-match"));
  if (seen === undefined) return err(badRequest("bad-condition", "expected `If-Match` with one tag"));
  const saved = await configs.save(namespace, { scope, scopeId, data: data as JsonObject, meta: (meta ?? {}) as JsonObject, by, seen });
  return saved.ok ? saved : err(configProblem(saved.error));
}
