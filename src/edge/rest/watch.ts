import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import { type Stream, type StreamEvent, type StreamRefusal, streamEventTypes } from "../../service/stream.ts";
import { headerOf } from "./header.ts";
import type { Problem, ProblemCodes } from "./problem.ts";
import { someOf, text } from "./query.ts";
import { tenantOf } from "./tenant.ts";

// What server-sent events and WebSockets have in common: who watches what, and how it is written.

export const watchQuery = z.strictObject({
  /** A run id or a workflow id. */
  run: z.optional(text),
  /** A workflow id or a workflow type. */
  workflow: z.optional(text),
  topic: z.optional(text),
  type: z.optional(someOf(streamEventTypes)),
  after: z.optional(text),
  tenant: z.optional(text),
});
export type WatchQuery = z.infer<typeof watchQuery>;

/** Cut off by `abort`, if it is too slow. */
export type Subscription = { readonly frames: AsyncIterable<Frame>; stop(): void; readonly cut: AbortSignal };
export type Frame = { readonly id: string; readonly type: string; readonly data: string };

const refusals: { readonly [R in StreamRefusal]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "too-many-streams": [503, "too many watch already: try again later"],
};
export const watchCodes: ProblemCodes = {
  "tenant-access-denied": 403,
  ...Object.fromEntries(Object.entries(refusals).map(([code, [status]]) => [code, status])),
};

/** What happens from now on, or after the event that the caller has seen last. */
export function watch(headers: IncomingHttpHeaders, query: WatchQuery, stream: Stream): Result<Subscription, Problem> {
  const { run, workflow, topic, type, after, tenant } = query;
  if (tenant !== undefined && tenant !== tenantOf(headers))
    return err({ status: 403, code: "tenant-access-denied", detail: "tenant access denied: header and query name different ones" });
  const cutOff = new AbortController();
  const subscribed = stream.subscribe({
    namespace: tenantOf(headers),
    after: headerOf(headers, "last-event-id") ?? after ?? null,
    filter: (event) =>
      (run === undefined || event.runId === run || event.workflowId === run) &&
      (workflow === undefined || event.workflowId === workflow || event.workflowType === workflow) &&
      (topic === undefined || event.topic === topic) &&
      (type === undefined || type.some((one) => one === event.type)),
    tooSlow: () => cutOff.abort(),
  });
  if (!subscribed.ok) {
    const [status, detail] = refusals[subscribed.error];
    return err({ status, code: subscribed.error, detail });
  }
  return ok({ frames: framesOf(subscribed.value), stop: subscribed.value.stop, cut: cutOff.signal });
}

async function* framesOf(events: AsyncIterable<StreamEvent>): AsyncGenerator<Frame> {
  for await (const event of events) yield { id: event.id, type: event.type, data: JSON.stringify(eventView(event)) };
}

const eventView = ({ id, type, at, workflowId, workflowType, runId, topic, details }: StreamEvent): object => ({
  id,
  type,
  at: new Date(at).toISOString(),
  ...(workflowId === "" ? {} : { workflow_id: workflowId, workflow_type: workflowType, run_id: runId }),
  ...(topic === "" ? {} : { topic }),
  ...details,
});
