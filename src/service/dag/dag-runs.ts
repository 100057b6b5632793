import { canonicalJson } from "../../base/canonical-json.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import { type DurationMs, type EpochMs, secondMs } from "../../base/time.ts";
import type { RunStart } from "../../dag/decider/event.ts";
import { isList, isObject, type Json } from "../../dag/json.ts";
import { fromPayloads, toPayload } from "../../dag/payload.ts";
import { answerQuery, type DagQuery } from "../../dag/projection/query.ts";
import type { RunView } from "../../dag/projection/run.ts";
import { type TimelineEvent, timelineEvent } from "../../dag/projection/timeline.ts";
import { rerunFrom } from "../../dag/rerun.ts";
import { isRunning } from "../../execution/execution.ts";
import { waitsToBegin } from "../../execution/start-gate.ts";
import { make } from "../../protocol/codec.ts";
import { Payloads, WorkflowExecution, WorkflowType } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { WorkflowQuery } from "../../protocol/generated/temporal/api/query/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  DeleteWorkflowExecutionRequest,
  ListWorkflowExecutionsRequest,
  QueryWorkflowRequest,
  RequestCancelWorkflowExecutionRequest,
  SignalWorkflowExecutionRequest,
  StartWorkflowExecutionRequest,
  TerminateWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { RunKey } from "../../store/store.ts";
import type { Session } from "../access/session.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import type { Configs } from "../configs/configs.ts";
import type { Engine } from "../engine.ts";
import type { SafetyKernel } from "../policy/safety-kernel.ts";
import { deleteWorkflowExecution } from "../requests/delete-workflow-execution.ts";
import { listWorkflowExecutions } from "../requests/list-workflow-executions.ts";
import { queryWorkflow } from "../requests/query-workflow.ts";
import { requestCancelWorkflowExecution } from "../requests/request-cancel-workflow-execution.ts";
import { signalWorkflowExecution } from "../requests/signal-workflow-execution.ts";
import { startWorkflowExecution } from "../requests/start-workflow-execution.ts";
import { terminateWorkflowExecution } from "../requests/terminate-workflow-execution.ts";
import type { RunCell } from "../runs.ts";
import type { Caller } from "../services.ts";
import { type Definition, type Definitions, ownerOf } from "./definitions.ts";
import { type DryRunStep, planOf } from "./dry-run.ts";
import type { FoldedRun, FoldedRuns, FoldRefusal } from "./folded-runs.ts";
import { type ListedRun, type ListRuns, listedRun, queryOf } from "./listed-runs.ts";
import { queriedRun, viewOf } from "./queried-run.ts";
import type { RouteTopic } from "./routes.ts";
import { firstAttributes, type RunRecord, runInput, runMemo } from "./run-record.ts";
import { headerOf } from "./step-activity.ts";

export type DagRunRefusal =
  | { readonly kind: "no-such-workflow" | "no-such-run" | "run-ended" | "idempotency-key-reused" | "bad-cursor" }
  | { readonly kind: "invalid-input" | "cannot-rerun" | "unreadable-run" | "query-failed"; readonly message: string }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Whose run it is, and who asks. */
export type Asker = {
  readonly namespace: string;
  readonly by: string;
  /** How they have proved it; absent where nobody has to. */
  readonly session?: Session;
};
export type StartDag = {
  readonly workflowId: string;
  readonly input: Json;
  readonly labels: { readonly [name: string]: string };
  /** Asked twice with one key for the same thing, it is one run; null asks for a new one. */
  readonly idempotencyKey: string | null;
  /** Whose run it is; null as the definition says. */
  readonly orgId?: string | null;
  readonly teamId?: string | null;
  /** Null begins a trace, called as the run. */
  readonly traceId?: string | null;
};
export type RerunDag = {
  readonly runId: string;
  /** The step to begin with; what it depends on is taken over. Null runs all of it. */
  readonly fromStep: string | null;
  /** Null takes the input of the run. */
  readonly input: Json;
  readonly idempotencyKey: string | null;
  /** Null goes on with the trace of the run. */
  readonly traceId?: string | null;
};

/** A run as the API shows it, and what the decider does not know of it. */
export type ShownRun = {
  readonly view: RunView;
  readonly record: RunRecord;
  readonly definition: string;
  readonly createdAt: EpochMs;
  /** In US dollars, as workers have reported it. */
  readonly cost: number;
};

/** What a run or a rerun would do, step by step, and what the policy in force says of each. */
export type DryRun = { readonly workflowId: string; readonly definition: string; readonly steps: readonly DryRunStep[] };

export type StartedDag = { readonly runId: string; readonly traceId: string };

type Answer<T> = Promise<Result<T, DagRunRefusal>>;

/** Runs of declarative workflows: each is a workflow execution whose workflow id is the id of the run. */
export type DagRuns = {
  start(asker: Asker, start: StartDag): Answer<StartedDag>;
  dryRun(asker: Asker, start: Pick<StartDag, "workflowId" | "input" | "labels">): Answer<DryRun>;
  get(namespace: string, runId: string): Answer<ShownRun>;
  /** Lines `skip` and following, at most `limit`. A line never changes, nor does its number. */
  timeline(namespace: string, runId: string, page: { readonly skip: number; readonly limit: number }): Answer<readonly TimelineEvent[]>;
  /**
   * Asks a run, or another workflow execution, whose worker then has `queryPatience` (10 s) to answer. Closed ones answer too. Refused with the
   * worker's words when it does not know the answer.
   */
  query(namespace: string, runId: string, query: DagQuery): Answer<Json>;
  /** The newest first. Refused when `after` is no `next`. */
  list(namespace: string, page: ListRuns): Answer<{ readonly runs: readonly ListedRun[]; readonly next: string | null }>;
  /** Refused when the run has ended. */
  cancel(asker: Asker, runId: string, reason: string): Answer<void>;
  /** Ends the run at once: nothing is compensated. */
  terminate(asker: Asker, runId: string, reason: string): Answer<void>;
  signal(asker: Asker, runId: string, signal: { readonly name: string; readonly payload: Json; readonly requestId: string }): Answer<void>;
  /** Another run of the same version of the workflow. */
  rerun(asker: Asker, rerun: RerunDag): Answer<StartedDag>;
  dryRerun(asker: Asker, rerun: RerunDag): Answer<DryRun>;
  /** Removes a run with its history, an open one after terminating it. */
  remove(namespace: string, runId: string): Answer<void>;
};

/** How long whoever asks over HTTP waits for the worker of a workflow that is code. */
const queryPatience: DurationMs = 10 * secondMs;

const foldMessages: { readonly [R in FoldRefusal]: string } = {
  "no-history": "the run has no history",
  "not-a-run": "it was not started as a run of a workflow",
  "no-definition": "its definition is not there, or this server does not understand it",
};

export function createDagRuns(deps: {
  readonly engine: Engine;
  readonly definitions: Definitions;
  readonly folded: FoldedRuns;
  readonly kernel: Pick<SafetyKernel, "snapshot">;
  readonly routeTopic: RouteTopic;
  readonly configs: Pick<Configs, "pinned">;
}): DagRuns {
  const { engine, definitions, folded, kernel, routeTopic, configs } = deps;
  const { namespaces, runs, newId } = engine;
  const requests = {
    start: startWorkflowExecution(engine),
    cancel: requestCancelWorkflowExecution(engine),
    terminate: terminateWorkflowExecution(engine),
    signal: signalWorkflowExecution(engine),
    list: listWorkflowExecutions(engine),
    query: queryWorkflow(engine),
    remove: deleteWorkflowExecution(engine),
  };

  async function find(namespace: string, runId: string): Answer<RunCell> {
    const found = namespaces.get(namespace);
    if (!found.ok) return refused(found.error);
    const cell = await runs.find({ namespaceId: found.value.id, workflowId: runId, runId: "" });
    const isOurs = cell.ok && cell.value.state.started.taskQueue?.name === dagTaskQueue;
    if (!isOurs) return err({ kind: "no-such-run" });
    await cell.value.settled;
    return cell;
  }

  async function fold(namespace: string, runId: string): Answer<{ readonly run: FoldedRun; readonly cell: RunCell }> {
    const found = await find(namespace, runId);
    if (!found.ok) return found;
    const cell = found.value;
    const run = await folded.at(cell.key, cell.state.core.nextEventId - 1);
    return typeof run === "string" ? unreadable(run) : ok({ run, cell });
  }

  async function openRun(namespace: string, runId: string): Answer<RunKey> {
    const found = await find(namespace, runId);
    if (!found.ok) return found;
    return isRunning(found.value.state) ? ok(found.value.key) : err({ kind: "run-ended" });
  }

  async function definitionOf(namespace: string, workflowId: string): Answer<Definition> {
    const found = namespaces.get(namespace);
    if (!found.ok) return refused(found.error);
    const definition = await definitions.current(found.value.id, workflowId);
    return definition === null ? err({ kind: "no-such-workflow" }) : ok(definition);
  }

  async function begin(
    asker: Asker,
    definition: Definition,
    given: {
      readonly idempotencyKey: string | null;
      /** What makes two requests with one key the same. */
      readonly asked: Json;
      readonly start: Omit<RunStart, "runId" | "workflowId" | "callStack">;
      readonly rerunOf: string | null;
      readonly rerunStep: string | null;
    } & Pick<StartDag, "orgId" | "teamId" | "traceId">,
  ): Answer<StartedDag> {
    const { namespace, by } = asker;
    const { idempotencyKey, asked, start, rerunOf, rerunStep, orgId, teamId } = given;
    const { namespaceId, workflowId, sha256 } = definition.key;
    const invalid = invalidInput(definition, start.input);
    if (invalid !== null) return invalid;
    // INVARIANT: one key is one run id, so that the one place that keeps two runs from having one id keeps one key from starting two.
    const runId = idempotencyKey === null ? newId() : runIdOf([namespaceId, workflowId, rerunOf, idempotencyKey]);
    const traceId = given.traceId ?? runId;
    const { spec } = definition;
    const record: RunRecord = {
      definition: sha256,
      labels: start.labels,
      triggeredBy: by,
      idempotencyKey,
      rerunOf,
      rerunStep,
      parentRunId: null,
      orgId: orgId ?? spec.orgId ?? "",
      teamId: teamId ?? spec.teamId ?? "",
      traceId,
    };
    const started = await requests.start(
      make(StartWorkflowExecutionRequest, {
        namespace,
        workflowId: runId,
        workflowType: make(WorkflowType, { name: workflowId }),
        taskQueue: make(TaskQueue, { name: dagTaskQueue }),
        input: runInput({ ...start, runId, workflowId, callStack: [] }),
        header: headerOf(runAction(definition, start.labels), runId, traceId),
        memo: runMemo(record),
        searchAttributes: firstAttributes(record, { queues: spec.maxConcurrentRuns !== null, now: engine.clock.now() }),
        identity: by,
        requestId: idempotencyKey === null ? newId() : sha256Hex(canonicalJson(asked)),
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      }),
      calling(asker),
    );
    if (started.ok) return ok({ runId, traceId });
    return started.error.kind === "workflow-already-started" ? err({ kind: "idempotency-key-reused" }) : refused(started.error);
  }

  /** Asks the code of a workflow that is none of ours. */
  async function queryCode(namespace: string, workflowId: string, { name, args }: DagQuery): Answer<Json> {
    const queryArgs = make(Payloads, { payloads: (isList(args) ? args : args === null ? [] : [args]).map(toPayload) });
    const query = make(WorkflowQuery, { queryType: name, queryArgs });
    const execution = make(WorkflowExecution, { workflowId });
    const caller = { ...here(), deadline: Date.now() + queryPatience };
    const answered = await requests.query(make(QueryWorkflowRequest, { namespace, execution, query }), caller);
    if (answered.ok) return ok(fromPayloads(answered.value.queryResult));
    const { error } = answered;
    if (error.kind === "not-found") return err({ kind: "no-such-run" });
    return error.kind === "namespace-not-found" ? refused(error) : err({ kind: "query-failed", message: error.message });
  }

  /** The run that is to be repeated, and what of it is kept. */
  async function repeated(namespace: string, { runId, fromStep, input }: RerunDag) {
    const found = await fold(namespace, runId);
    if (!found.ok) return found;
    const { run } = found.value;
    const { definition, state, record } = run;
    const again = fromStep === null ? ok({ kept: {}, context: {} as Json }) : rerunFrom(definition.spec, state, fromStep);
    if (!again.ok) return err<DagRunRefusal>({ kind: "cannot-rerun", message: again.error });
    const { kept, context } = again.value;
    const start = {
      input: input ?? state.start?.input ?? null,
      labels: record.labels,
      kept,
      context: isObject(context) ? context : {},
      // As it was, since results that are kept rest on it.
      ...(run.start.config === undefined ? {} : { config: run.start.config }),
    };
    return ok({ definition, start, record });
  }

  /** What a run that starts now is given. */
  async function begins(
    definition: Definition,
    { input, labels }: Pick<RunStart, "input" | "labels">,
    { orgId, teamId }: Pick<StartDag, "orgId" | "teamId">,
  ): Promise<Pick<RunStart, "input" | "labels" | "config">> {
    const owner = ownerOf(definition);
    const of = { ...owner, orgId: orgId ?? owner.orgId, teamId: teamId ?? owner.teamId };
    const config = await configs.pinned(definition.key.namespaceId, of, definition.spec);
    return { input, labels: { ...Object.fromEntries(definition.spec.labels), ...labels }, ...(config === null ? {} : { config }) };
  }

  const plan = (
    asker: Asker,
    definition: Definition,
    start: Pick<RunStart, "input" | "labels" | "config">,
  ): Result<DryRun, DagRunRefusal> => {
    const planned = planOf(definition, { ...start, ...asker, snapshot: kernel.snapshot(), routeTopic });
    if (!planned.ok) return err({ kind: "invalid-input", message: planned.error });
    return ok({ workflowId: definition.key.workflowId, definition: definition.key.sha256, steps: planned.value });
  };

  return {
    start: async (asker, { workflowId, input, labels, idempotencyKey, ...of }) => {
      const definition = await definitionOf(asker.namespace, workflowId);
      if (!definition.ok) return definition;
      const start = { ...(await begins(definition.value, { input, labels }, of)), context: {}, kept: {} };
      return begin(asker, definition.value, { ...of, idempotencyKey, asked: { input, labels }, start, rerunOf: null, rerunStep: null });
    },

    dryRun: async (asker, { workflowId, input, labels }) => {
      const definition = await definitionOf(asker.namespace, workflowId);
      if (!definition.ok) return definition;
      return plan(asker, definition.value, await begins(definition.value, { input, labels }, {}));
    },

    get: async (namespace, runId) => {
      const found = await fold(namespace, runId);
      if (!found.ok) return found;
      const { run, cell } = found.value;
      const view = viewOf(run);
      const isHeld = view.completed_at === null && waitsToBegin(cell.state.core);
      return ok({
        view: isHeld ? { ...view, status: "waiting" } : view,
        record: run.record,
        definition: run.definition.key.sha256,
        createdAt: cell.state.core.startTime,
        cost: run.cost,
      });
    },

    timeline: async (namespace, runId, page) => {
      const found = await find(namespace, runId);
      if (!found.ok) return found;
      const { key, state } = found.value;
      const of = { runId, workflowId: state.started.workflowType?.name ?? "" };
      const lines = await folded.timeline(key, state.core.nextEventId - 1, page);
      return typeof lines === "string" ? unreadable(lines) : ok(lines.map((line) => timelineEvent(of, line)));
    },

    query: async (namespace, runId, query) => {
      const found = await fold(namespace, runId);
      if (!found.ok) return found.error.kind === "no-such-run" ? queryCode(namespace, runId, query) : found;
      const { run, cell } = found.value;
      const answered = await answerQuery(queriedRun(run, cell.key, folded), query);
      return answered.ok ? answered : err({ kind: "query-failed", message: answered.error });
    },

    list: async (namespace, page) => {
      const { limit, after } = page;
      const nextPageToken = Buffer.from(after ?? "");
      const request = make(ListWorkflowExecutionsRequest, { namespace, pageSize: limit, nextPageToken, query: queryOf(page) });
      const listed = await requests.list(request, here());
      // The query is ours, so that only the cursor can be no good.
      if (!listed.ok) return listed.error.kind === "invalid-argument" ? err({ kind: "bad-cursor" }) : refused(listed.error);
      const { executions, nextPageToken: next } = listed.value;
      return ok({ runs: executions.flatMap(listedRun), next: next.length === 0 ? null : Buffer.from(next).toString() });
    },

    cancel: async (asker, runId, reason) => {
      const { namespace, by } = asker;
      const open = await openRun(namespace, runId);
      if (!open.ok) return open;
      const request = { namespace, workflowExecution: executionOf(open.value), identity: by, reason };
      return done(await requests.cancel(make(RequestCancelWorkflowExecutionRequest, request), calling(asker)));
    },

    terminate: async (asker, runId, reason) => {
      const { namespace, by } = asker;
      const open = await openRun(namespace, runId);
      if (!open.ok) return open;
      const request = { namespace, workflowExecution: executionOf(open.value), identity: by, reason };
      return done(await requests.terminate(make(TerminateWorkflowExecutionRequest, request), calling(asker)));
    },

    signal: async (asker, runId, { name, payload, requestId }) => {
      const { namespace, by } = asker;
      const open = await openRun(namespace, runId);
      if (!open.ok) return open;
      const input = make(Payloads, { payloads: [toPayload(payload)] });
      const request = { namespace, workflowExecution: executionOf(open.value), signalName: name, input, identity: by, requestId };
      return done(await requests.signal(make(SignalWorkflowExecutionRequest, request), calling(asker)));
    },

    rerun: async (asker, rerun) => {
      const again = await repeated(asker.namespace, rerun);
      if (!again.ok) return again;
      const { runId, fromStep, input, idempotencyKey } = rerun;
      const { definition, start, record } = again.value;
      const { orgId, teamId } = record;
      const traceId = rerun.traceId ?? (record.traceId || null);
      const asked = { fromStep, input };
      return begin(asker, definition, { idempotencyKey, asked, start, rerunOf: runId, rerunStep: fromStep, orgId, teamId, traceId });
    },

    dryRerun: async (asker, rerun) => {
      const again = await repeated(asker.namespace, rerun);
      if (!again.ok) return again;
      const { definition, start } = again.value;
      const planned = plan(asker, definition, start);
      if (!planned.ok) return planned;
      return ok({ ...planned.value, steps: planned.value.steps.filter(({ stepId }) => !Object.hasOwn(start.kept, stepId)) });
    },

    remove: async (namespace, runId) => {
      const found = await find(namespace, runId);
      if (!found.ok) return found;
      folded.forget(found.value.key);
      const request = { namespace, workflowExecution: executionOf(found.value.key) };
      return done(await requests.remove(make(DeleteWorkflowExecutionRequest, request), here()));
    },
  };
}

const refused = (refusal: Refusal) => err<DagRunRefusal>({ kind: "refused", refusal });
const unreadable = (why: FoldRefusal) => err<DagRunRefusal>({ kind: "unreadable-run", message: foldMessages[why] });

function done(answered: Result<unknown, Refusal>): Result<void, DagRunRefusal> {
  if (answered.ok) return ok(undefined);
  // It was open a moment ago.
  return answered.error.kind === "not-found" ? err({ kind: "run-ended" }) : refused(answered.error);
}

function invalidInput({ spec }: Definition, input: Json): { readonly ok: false; readonly error: DagRunRefusal } | null {
  const checked = spec.inputSchema?.check(input);
  return checked?.ok === false ? err({ kind: "invalid-input", message: `input schema validation failed: ${checked.error}` }) : null;
}

/** What the start of a run means to the policy. */
const runAction = ({ key }: Definition, labels: RunStart["labels"]) => ({
  target: { to: "topic", topic: `workflow.${key.workflowId}` } as const,
  labels,
  capability: null,
  riskTags: [],
  requires: [],
  packId: null,
  actorId: null,
});

const executionOf = ({ workflowId, runId }: RunKey): WorkflowExecution => make(WorkflowExecution, { workflowId, runId });

/** A UUID (version 8) of what names the run. */
function runIdOf(parts: readonly (string | null)[]): string {
  const hex = sha256Hex(canonicalJson(["holdfast.run/1", ...parts]));
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) % 4];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Whoever calls from inside waits for nothing. */
/** Events name whoever has proved who they are. */
const calling = ({ session }: Asker): Caller => (session === undefined ? here() : { ...here(), session });

const here = (): Caller => ({ clientName: "holdfast-api", clientVersion: "", deadline: null, signal: never });
const never = new AbortController().signal;
