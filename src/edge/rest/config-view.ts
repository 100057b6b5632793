import * as z from "zod/mini";
import { type ConfigDocument, type ConfigScope, configScopes, systemScopeId } from "../../service/configs/config.ts";
import type { ConfigRefusal } from "../../service/configs/configs.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";
import { oneOf, text } from "./query.ts";
import { count, named, timeText } from "./schema.ts";

const anything = z.record(z.string(), z.unknown());

export const configSchema = named(
  "Config",
  z.object({
    scope: z.enum(configScopes),
    scope_id: z.string(),
    data: anything,
    meta: anything,
    revision: count,
    updated_at: timeText,
    updated_by: z.string(),
  }),
);

export const configView = (document: ConfigDocument): z.infer<typeof configSchema> => ({
  scope: document.scope,
  scope_id: document.scopeId,
  data: document.data,
  meta: document.meta,
  revision: document.revision,
  updated_at: new Date(document.updatedAt).toISOString(),
  updated_by: document.updatedBy,
});

/** The document that a query names; the one of the system when it names none. */
export const configQuery = z.strictObject({
  scope: z.optional(oneOf(new Map(configScopes.map((scope) => [scope, scope])))),
  scope_id: z.optional(text),
});
export const documentIn = ({ scope = "system", scope_id: scopeId = systemScopeId }: z.infer<typeof configQuery>): Named => ({
  scope,
  scopeId,
});
type Named = { readonly scope: ConfigScope; readonly scopeId: string };

type Plain = Exclude<ConfigRefusal["kind"], "bad-config">;

const refusals: { readonly [R in Plain]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "no-such-config": [404, "config not found"],
  "too-many-configs": [409, "there are too many configuration documents"],
  "config-changed": [412, "the configuration is not the one with this tag: look at it again"],
  busy: [503, "others are changing this at the same moment: try again"],
};

export function configProblem(refusal: ConfigRefusal): Problem {
  if (refusal.kind === "bad-config") return badRequest("bad-config", refusal.message);
  const [status, detail] = refusals[refusal.kind];
  return { status, code: refusal.kind, detail };
}

/** For a route to state. */
export const configCodes = (...kinds: readonly Plain[]): ProblemCodes => Object.fromEntries(kinds.map((kind) => [kind, refusals[kind][0]]));
