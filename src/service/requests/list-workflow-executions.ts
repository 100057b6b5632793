import { err, ok, type Result } from "../../base/result.ts";
import type { Comparison, VisibilityFilter, VisibilityQuery, VisibilityValue } from "../../execution/visibility/filter.ts";
import { parseVisibilityQuery } from "../../execution/visibility/query.ts";
import { make } from "../../protocol/codec.ts";
import { Payload } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { WorkflowExecutionInfo } from "../../protocol/generated/temporal/api/workflow/v1/message.ts";
import type {
  ListClosedWorkflowExecutionsRequest,
  ListOpenWorkflowExecutionsRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import { PageTokenError } from "../../store/store.ts";
import type { Engine } from "../engine.ts";
import type { Services } from "../services.ts";

const pageSizeMax = 1_000;

type Page = { readonly executions: WorkflowExecutionInfo[]; readonly nextPageToken: Uint8Array };

async function list(
  { store }: Engine,
  asked: { namespaceId: string; query: VisibilityQuery; pageSize: number; nextPageToken: Uint8Array },
): Promise<Result<Page, Refusal>> {
  const limit = asked.pageSize > 0 ? Math.min(asked.pageSize, pageSizeMax) : pageSizeMax;
  const after = asked.nextPageToken.length === 0 ? null : Buffer.from(asked.nextPageToken).toString("utf8");
  try {
    const page = await store.listExecutions({ namespaceId: asked.namespaceId, query: asked.query, limit, after });
    const executions = page.executions.map(({ info }) => WorkflowExecutionInfo.decode(info));
    return ok({ executions, nextPageToken: page.next === null ? new Uint8Array(0) : Buffer.from(page.next) });
  } catch (error) {
    if (error instanceof PageTokenError) return err(invalidArgument("Invalid NextPageToken."));
    throw error;
  }
}

const listByQuery =
  (engine: Engine): Services["listWorkflowExecutions"] =>
  async (request) => {
    const namespace = engine.namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const query = parseVisibilityQuery(request.query, namespace.value.attributeTypes);
    if (!query.ok) return query;
    if (query.value.groupBy !== null) return err(invalidArgument("invalid query: operation is not supported: GROUP BY clause in a list"));
    return list(engine, {
      namespaceId: namespace.value.id,
      query: query.value,
      pageSize: request.pageSize,
      nextPageToken: request.nextPageToken,
    });
  };

/** Executions that match a visibility query, newest first unless it says otherwise; at most 1,000 a page. */
export const listWorkflowExecutions = listByQuery;

/** The same in no particular order. */
export const scanWorkflowExecutions: (engine: Engine) => Services["scanWorkflowExecutions"] = listByQuery;

/** How many executions match a visibility query, in all and per value of its `GROUP BY`. */
export const countWorkflowExecutions =
  ({ namespaces, store }: Engine): Services["countWorkflowExecutions"] =>
  async (request) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const query = parseVisibilityQuery(request.query, namespace.value.attributeTypes);
    if (!query.ok) return query;
    const { total, groups } = await store.countExecutions({ namespaceId: namespace.value.id, query: query.value });
    const byStatus = query.value.groupBy?.name === "ExecutionStatus";
    return ok({
      count: total,
      groups: groups.map(({ value, count }) => ({
        count,
        groupValues: [keywordPayload(byStatus ? statusName(Number(value)) : String(value ?? ""))],
      })),
    });
  };

const keywordPayload = (value: string): Payload =>
  make(Payload, {
    metadata: { encoding: Buffer.from("json/plain"), type: Buffer.from("Keyword") },
    data: Buffer.from(JSON.stringify(value)),
  });

/** `TIMED_OUT` → `TimedOut`, as queries spell it. */
function statusName(status: number): string {
  const [name = "Unspecified"] = Object.entries(WorkflowExecutionStatus).find(([, value]) => value === status) ?? [];
  return name
    .split("_")
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join("");
}

/** The older lists: open or closed executions, narrowed by start time and one more condition. */
export const listOpenWorkflowExecutions =
  (engine: Engine): Services["listOpenWorkflowExecutions"] =>
  async (request) =>
    listByFilters(engine, request, compare("ExecutionStatus", "=", WorkflowExecutionStatus.RUNNING));

export const listClosedWorkflowExecutions =
  (engine: Engine): Services["listClosedWorkflowExecutions"] =>
  async (request) =>
    listByFilters(engine, request, compare("ExecutionStatus", "!=", WorkflowExecutionStatus.RUNNING));

async function listByFilters(
  engine: Engine,
  request: ListOpenWorkflowExecutionsRequest | ListClosedWorkflowExecutionsRequest,
  status: VisibilityFilter,
): Promise<Result<Page, Refusal>> {
  const namespace = engine.namespaces.get(request.namespace);
  if (!namespace.ok) return namespace;
  const all = parseVisibilityQuery("", namespace.value.attributeTypes);
  if (!all.ok) return all;
  const conditions = [status, ...(all.value.filter === null ? [] : [all.value.filter])];
  const { earliestTime, latestTime } = request.startTimeFilter ?? {};
  if (earliestTime !== undefined) conditions.push(compare("StartTime", ">=", earliestTime.getTime()));
  if (latestTime !== undefined && latestTime.getTime() > 0) conditions.push(compare("StartTime", "<=", latestTime.getTime()));
  switch (request.filters?.$case) {
    case "executionFilter":
      conditions.push(compare("WorkflowId", "=", request.filters.value.workflowId));
      break;
    case "typeFilter":
      conditions.push(compare("WorkflowType", "=", request.filters.value.name));
      break;
    case "statusFilter":
      conditions.push(compare("ExecutionStatus", "=", request.filters.value.status));
      break;
    case undefined:
      break;
  }
  const query: VisibilityQuery = { ...all.value, filter: { op: "and", of: conditions } };
  return list(engine, { namespaceId: namespace.value.id, query, pageSize: request.maximumPageSize, nextPageToken: request.nextPageToken });
}

const compare = (name: string, comparison: Comparison, value: VisibilityValue): VisibilityFilter => ({
  op: "compare",
  field: { name, system: true, type: name === "StartTime" ? IndexedValueType.DATETIME : IndexedValueType.KEYWORD },
  comparison,
  value,
});
