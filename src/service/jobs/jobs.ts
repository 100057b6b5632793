import { present } from "../../base/assert.ts";
import { canonicalJson } from "../../base/canonical-json.ts";
import { nameBasedId } from "../../base/name-based-id.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import { type DurationMs, type EpochMs, secondMs } from "../../base/time.ts";
import type { Json, JsonObject } from "../../dag/json.ts";
import { toPayload } from "../../dag/payload.ts";
import { isRunning } from "../../execution/execution.ts";
import { actionHeader, readCallSite } from "../../governance/call-site.ts";
import { make } from "../../protocol/codec.ts";
import type { Approval } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import {
  type Payload,
  Payloads,
  SearchAttributes,
  WorkflowExecution,
  WorkflowType,
} from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  RequestCancelWorkflowExecutionRequest,
  StartWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import type { Session } from "../access/session.ts";
import { decodeApproval } from "../approvals/approval-record.ts";
import { jobTaskQueue } from "../built-in/server-task-queue.ts";
import type { RouteTopic } from "../dag/routes.ts";
import { headerOf } from "../dag/step-activity.ts";
import type { Engine } from "../engine.ts";
import { awaitRun } from "../requests/await-run.ts";
import { requestCancelWorkflowExecution } from "../requests/request-cancel-workflow-execution.ts";
import { startWorkflowExecution } from "../requests/start-workflow-execution.ts";
import type { Caller } from "../services.ts";
import { traceAttribute } from "../traces/trace-id.ts";
import { findJob, type Job, type Remediation, remediationsOf } from "./job.ts";
import { type JobRecord, type JobState, jobMemo, taskPriority } from "./job-record.ts";
import { type JobFilter, type JobPage, listJobs } from "./list-jobs.ts";

export type JobRefusal =
  | {
      readonly kind:
        | "no-such-namespace"
        | "no-such-job"
        | "idempotency-key-reused"
        | "no-remediations"
        | "remediation-required"
        | "no-such-remediation";
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };

type Answer<T> = Promise<Result<T, JobRefusal>>;
type Act = Omit<NonNullable<JobRecord["parent"]>, "jobId">;

/** Whose job it is, and who asks. */
export type Asker = {
  readonly namespace: string;
  readonly by: string;
  /** How they have proved it; absent where nobody has to. */
  readonly session?: Session;
};

/** A job to be done: what the server does not find out itself. */
export type WantedJob = Omit<JobRecord, "taskQueue" | "traceId" | "parent"> & {
  readonly input: Json;
  /** Null begins a trace. */
  readonly traceId?: string | null;
};

/** A decision on a job, as the ledger keeps it. */
export type JobDecision = JsonObject & { readonly at: EpochMs };

export type Submitted = { readonly jobId: string; readonly traceId: string };

/** A job is one activity, done by whatever worker polls the task queue of its topic, and decided by the policy as any action is. */
export type Jobs = {
  /** Asked twice with one idempotency key for the same thing, it is one job; refused when the key stands for another one. */
  submit(asker: Asker, job: WantedJob): Answer<Submitted>;
  get(namespace: string, jobId: string): Answer<Job & { readonly approval: Readonly<Approval> | null }>;
  /** See `listJobs`. */
  list(namespace: string, page: { readonly filter: JobFilter; readonly limit: number; readonly after: string | null }): Answer<JobPage>;
  /** Ends a job at once, whatever its worker does, and returns its state; one that has ended stays as it is. */
  cancel(asker: Asker, jobId: string): Answer<{ readonly state: JobState; readonly hadEnded: boolean }>;
  /** The newest first, at most `limit`. */
  decisions(namespace: string, jobId: string, limit: number): Answer<readonly JobDecision[]>;
  /** Submits what the rule that denied the job offers instead; decided as any job. One remediation of a job is one new job. */
  remediate(asker: Asker, jobId: string, remediationId: string | null): Answer<Submitted>;
  /** Submits the same job again, to where the workers of its topic are now; decided again. One job is retried once: its retry can be retried. */
  retry(asker: Asker, job: Job): Answer<Submitted>;
};

/** How long a cancellation waits for the end that it asked for. */
const cancelPatience: DurationMs = 5 * secondMs;
const ledgerPageMax = 1_000;
const ledgerPagesMax = 10;
const approvalsReadMax = 100;

export function createJobs({ engine, routeTopic }: { readonly engine: Engine; readonly routeTopic: RouteTopic }): Jobs {
  const { namespaces, runs, store, newId } = engine;
  const start = startWorkflowExecution(engine);
  const requestCancel = requestCancelWorkflowExecution(engine);

  async function begin(
    asker: Asker,
    {
      jobId,
      record,
      input,
      asked,
    }: { readonly jobId: string; readonly record: JobRecord; readonly input: Payloads | undefined; readonly asked: string },
  ): Answer<Submitted> {
    const { namespace, by } = asker;
    if (!namespaces.get(namespace).ok) return err({ kind: "no-such-namespace" });
    const started = await start(
      make(StartWorkflowExecutionRequest, {
        namespace,
        workflowId: jobId,
        workflowType: make(WorkflowType, { name: record.topic }),
        taskQueue: make(TaskQueue, { name: jobTaskQueue }),
        input,
        memo: jobMemo(record),
        searchAttributes: make(SearchAttributes, { indexedFields: { [traceAttribute]: toPayload(record.traceId) } }),
        // What decides it goes first as well.
        priority: taskPriority(record.priority),
        identity: by,
        requestId: asked,
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      }),
      calling(asker),
    );
    if (started.ok) return ok({ jobId, traceId: record.traceId });
    return started.error.kind === "workflow-already-started" ? err({ kind: "idempotency-key-reused" }) : refused(started.error);
  }

  /** Another job in the place of one: of the same trace, with what it was given. */
  const follow = (asker: Asker, { jobId, key, record, history }: Job, act: Act, changes: Partial<JobRecord>): Answer<Submitted> => {
    // INVARIANT: one act on one job has one id, so that whoever asks twice gets one job.
    const id = nameBasedId(["holdfast.job/1", key.namespaceId, jobId, act.by, act.remediationId]);
    const followed = { ...record, ...changes, idempotencyKey: null, parent: { jobId, ...act } };
    return begin(asker, { jobId: id, record: followed, input: history.input, asked: id });
  };

  async function find(namespace: string, jobId: string): Answer<Job> {
    const found = await findJob(engine, { namespace, jobId });
    return found.ok ? found : err({ kind: found.error });
  }

  async function approvalOf({ namespaceId, runId }: Job["key"]): Promise<Readonly<Approval> | null> {
    const { approvals } = await store.listApprovals({ namespaceId, runId, after: null, limit: approvalsReadMax });
    const newest = approvals.at(-1);
    return newest === undefined ? null : decodeApproval(newest);
  }

  return {
    submit: async (asker, { input, traceId = null, ...wanted }) => {
      const { idempotencyKey, topic } = wanted;
      const asked = sha256Hex(canonicalJson({ ...wanted, input }));
      const idOf = (what: string): string => (idempotencyKey === null ? newId() : nameBasedId([what, asker.namespace, idempotencyKey]));
      const jobId = idOf("holdfast.job/1");
      const legible = readCallSite(actionOf(wanted, idempotencyKey ?? jobId));
      // Whoever cannot be understood would be denied: better to say so at once.
      if (!legible.ok) return refused(invalidArgument(legible.error));
      const record: JobRecord = { ...wanted, taskQueue: routeTopic(topic), traceId: traceId ?? idOf("holdfast.trace/1"), parent: null };
      const payloads = make(Payloads, { payloads: [toPayload(input)] });
      return begin(asker, { jobId, record, input: payloads, asked });
    },

    get: async (namespace, jobId) => {
      const job = await find(namespace, jobId);
      return job.ok ? ok({ ...job.value, approval: await approvalOf(job.value.key) }) : job;
    },

    list: async (namespace, page) => {
      const listed = await listJobs(engine, { namespace, ...page });
      return listed.ok ? listed : err({ kind: listed.error });
    },

    cancel: async (asker, jobId) => {
      const { namespace, by } = asker;
      const job = await find(namespace, jobId);
      if (!job.ok) return job;
      if (job.value.closedAt > 0) return ok({ state: job.value.state, hadEnded: true });
      const { workflowId, runId } = job.value.key;
      const workflowExecution = make(WorkflowExecution, { workflowId, runId });
      const request = make(RequestCancelWorkflowExecutionRequest, {
        namespace,
        workflowExecution,
        identity: by,
        reason: "cancelled via api",
      });
      const asked = await requestCancel(request, calling(asker));
      if (!asked.ok) return refused(asked.error);
      const cell = await runs.load(job.value.key);
      const wait = { patience: cancelPatience, signal: never };
      if (cell !== null) await awaitRun(runs, cell, ({ state }) => (isRunning(state) ? null : true), wait);
      const ended = await find(namespace, jobId);
      return ended.ok ? ok({ state: ended.value.state, hadEnded: false }) : ended;
    },

    decisions: async (namespace, jobId, limit) => {
      const job = await find(namespace, jobId);
      if (!job.ok) return job;
      const { namespaceId, runId } = job.value.key;
      const decisions: JobDecision[] = [];
      let after: string | null = null;
      for (let pages = 0; pages < ledgerPagesMax; pages++) {
        const page = await store.readLedger({ namespaceId, runId, kinds: ["decision"], after, limit: ledgerPageMax });
        for (const { at, body } of page.entries) decisions.push({ ...(JSON.parse(Buffer.from(body).toString()) as JsonObject), at });
        after = page.next;
        if (after === null) break;
      }
      return ok(decisions.reverse().slice(0, limit));
    },

    remediate: async (asker, jobId, remediationId) => {
      const job = await find(asker.namespace, jobId);
      if (!job.ok) return job;
      const offered = remediationsOf(job.value);
      const [only, ...others] = offered;
      if (only === undefined) return err({ kind: "no-remediations" });
      if (remediationId === null && others.length > 0) return err({ kind: "remediation-required" });
      const chosen = remediationId === null ? only : offered.find(({ id }) => id === remediationId);
      if (chosen === undefined) return err({ kind: "no-such-remediation" });
      return follow(asker, job.value, { by: "remediation", remediationId: chosen.id }, remedied(job.value, chosen, routeTopic));
    },

    retry: (asker, job) => follow(asker, job, { by: "retry", remediationId: null }, { taskQueue: routeTopic(job.record.topic) }),
  };
}

/** What the policy reads of a job. */
function actionOf(wanted: Omit<WantedJob, "input" | "traceId">, idempotencyKey: string): Payload {
  const { fields } = headerOf({ ...wanted, target: { to: "topic", topic: wanted.topic } }, idempotencyKey);
  return present(fields[actionHeader], actionHeader);
}

/** What a remediation changes: labels are removed last. */
function remedied({ jobId, record }: Job, remediation: Remediation, routeTopic: RouteTopic): Partial<JobRecord> {
  const { id, replacementTopic, replacementCapability, addLabels = {}, removeLabels = [] } = remediation;
  const topic = replacementTopic || record.topic;
  const labels = { ...record.labels, remediation_of: jobId, remediation_id: id, ...addLabels };
  return {
    topic,
    taskQueue: routeTopic(topic),
    capability: replacementCapability || record.capability,
    labels: Object.fromEntries(Object.entries(labels).filter(([name]) => !removeLabels.includes(name))),
  };
}

const refused = (refusal: Refusal): Result<never, JobRefusal> => err({ kind: "refused", refusal });

/** Whoever calls from inside asks for what is there now. */
/** Events name whoever has proved who they are. */
const calling = ({ session }: Asker): Caller => (session === undefined ? here() : { ...here(), session });

const here = (): Caller => ({ clientName: "holdfast-server", clientVersion: "", deadline: null, signal: never });
const never = new AbortController().signal;
