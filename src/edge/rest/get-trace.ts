import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { TraceItem } from "../../service/traces/traces.ts";
import { entryJson, entrySchema } from "./audit-query.ts";
import { wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { listOf, named, textOrNull, timeOrNull, timeText } from "./schema.ts";
import { tenantOf } from "./tenant.ts";
import { traceHeader } from "./trace-header.ts";

const limitMax = 1_000;
const limitDefault = 200;
const itemsMax = 1_000_000;

const traceItemSchema = named(
  "TraceItem",
  z.object({
    at: timeText,
    kind: z.enum(["run", "job", "workflow", "activity", "approval", "ledger"]),
    /** The id of the run or the job, or the workflow id, that it is of. */
    run_id: z.string(),
    /** Of an activity or an approval. */
    id: textOrNull,
    /** The workflow, the topic, or the type of the activity. */
    type: textOrNull,
    status: textOrNull,
    ended_at: timeOrNull,
    entry: z.nullable(entrySchema),
  }),
);

export const getTrace = route({
  method: "GET",
  path: "/api/v1/traces/:id",
  summary:
    "All that one request has brought about, in order: jobs, runs, activities, approvals and entries of the ledger. `cursor` is how many to pass over",
  params: z.object({ id: z.string() }),
  query: z.strictObject({ limit: z.optional(wholeNumber(1, limitMax)), cursor: z.optional(wholeNumber(0, itemsMax)) }),
  success: { json: z.object({ trace_id: z.string(), items: listOf(traceItemSchema), next_cursor: textOrNull, truncated: z.boolean() }) },
  problems: { "no-such-namespace": 404, "no-such-trace": 404 },
  handle: async ({ headers, params: { id }, query: { limit = limitDefault, cursor = 0 } }, { traces }) => {
    const found = await traces.get(tenantOf(headers), id);
    if (!found.ok) return err({ status: 404, code: found.error, detail: details[found.error] });
    const { items, isCut } = found.value;
    const end = cursor + limit;
    return ok({
      json: {
        trace_id: id,
        items: items.slice(cursor, end).map(itemView),
        next_cursor: end < items.length ? String(end) : null,
        truncated: isCut,
      },
      headers: { [traceHeader]: id },
    });
  },
});

const details = { "no-such-namespace": "this tenant does not exist", "no-such-trace": "trace not found" } as const;

const none = { id: null, type: null, status: null, ended_at: null, entry: null };

function itemView(item: TraceItem): z.infer<typeof traceItemSchema> {
  const shown = { ...none, at: new Date(item.at).toISOString(), kind: item.kind, run_id: item.run };
  if (item.kind === "ledger") return { ...shown, entry: JSON.parse(entryJson(item.entry)) as z.infer<typeof entrySchema> };
  const { status, endedAt } = item;
  const ended_at = endedAt === null ? null : new Date(endedAt).toISOString();
  if (item.kind === "activity") return { ...shown, id: item.activityId, type: item.type, status, ended_at };
  if (item.kind === "approval") return { ...shown, id: item.id, type: item.of, status, ended_at };
  return { ...shown, type: item.type, status, ended_at };
}
