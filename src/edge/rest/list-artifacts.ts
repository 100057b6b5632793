import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { artifactRetentions } from "../../service/artifacts/artifact.ts";
import type { ArtifactFilter } from "../../service/artifacts/artifacts.ts";
import { artifactCodes, artifactProblem, artifactSchema, artifactView } from "./artifact-view.ts";
import { oneOf, parameter, text, wholeNumber } from "./query.ts";
import { cursorCodes, paged, route } from "./route.ts";
import { pageOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 100;

const label = parameter("`name=value`, or the name of a label", { type: "string", minLength: 1 }, (given): ArtifactFilter["label"] => {
  const at = given.indexOf("=");
  if (given === "" || at === 0) return null;
  return at === -1 ? { name: given, value: null } : { name: given.slice(0, at), value: given.slice(at + 1) };
});

export const listArtifacts = route({
  method: "GET",
  path: "/api/v1/artifacts",
  summary: "Artifacts without their content, the newest first",
  query: z.strictObject({
    retention: z.optional(oneOf(new Map(artifactRetentions.map((retention) => [retention, retention])))),
    label: z.optional(label),
    limit: z.optional(wholeNumber(1, limitMax)),
    cursor: z.optional(text),
  }),
  success: { json: pageOf(artifactSchema) },
  problems: { ...cursorCodes, ...artifactCodes("no-such-namespace") },
  handle: async ({ headers, query }, { artifacts }) => {
    const filter = { retention: query.retention ?? null, label: query.label ?? null };
    const page = { filter, limit: query.limit ?? limitMax, after: query.cursor ?? null };
    const read = await paged(() => artifacts.list(tenantOf(headers), page));
    if (!read.ok) return read;
    if (!read.value.ok) return err(artifactProblem(read.value.error));
    return ok({ json: { items: read.value.value.artifacts.map(artifactView), next_cursor: read.value.value.next } });
  },
});
