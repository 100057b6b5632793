import { noQuotas, type QuotaOptions } from "../access/quota.ts";
import { err, ok } from "../base/result.ts";
import { type DurationMs, secondMs } from "../base/time.ts";
import { type Context, isRunning, type MutableState } from "../execution/execution.ts";
import type { Limits } from "../execution/limits.ts";
import { wake, wakeAt } from "../execution/wake.ts";
import type { LedgerEntry } from "../governance/ledger/ledger.ts";
import type { IndexedValueType } from "../protocol/generated/temporal/api/enums/v1/common.ts";
import type { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { Refusal } from "../protocol/refusal.ts";
import type { BacklogTask, Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type Access, type AccessOptions, createAccess, openAccess } from "./access/access.ts";
import { countingApprovals, measureApprovals } from "./approvals/approval-metrics.ts";
import { type Approvals, createApprovals } from "./approvals/approvals.ts";
import { type ArtifactOptions, artifactDefaults } from "./artifacts/artifact.ts";
import { type Artifacts, createArtifacts } from "./artifacts/artifacts.ts";
import { approval } from "./built-in/approval.ts";
import { approvalActivity } from "./built-in/approval-gate.ts";
import { type ApprovalNotices, committingNotices, startApprovalNotices } from "./built-in/approval-notices.ts";
import { createBuiltInWorker } from "./built-in/built-in-worker.ts";
import { http, httpActivity } from "./built-in/http.ts";
import { type Channels, webhookUrl } from "./built-in/notification.ts";
import { notify, notifyActivity } from "./built-in/notify.ts";
import { createRequests, type OutgoingOptions } from "./built-in/outgoing-request.ts";
import { dagTaskQueue, exceptServerTaskQueues } from "./built-in/server-task-queue.ts";
import { createWebhooks, type WebhookOptions } from "./built-in/webhook.ts";
import type { Clock } from "./clock.ts";
import { createCommitter } from "./committer.ts";
import { type Configs, createConfigs } from "./configs/configs.ts";
import { createDag, type Dag } from "./dag/dag.ts";
import { createRoutes } from "./dag/routes.ts";
import { createRunSlots } from "./dag/run-slots.ts";
import { createDispatch, type InlineWorker, readEvent } from "./dispatch.ts";
import { createDoctor, type Doctor } from "./doctor/doctor.ts";
import type { Host } from "./doctor/host.ts";
import { createEffects } from "./effects.ts";
import type { Engine, LongPoll } from "./engine.ts";
import { type Admission, createAdmission } from "./fairness/admission.ts";
import { createCrowd } from "./fairness/crowd.ts";
import { createTurns } from "./fairness/turns.ts";
import { createIdempotency, type Idempotency } from "./idempotency.ts";
import { createDeadLetters, type DeadLetters } from "./jobs/dead-letters.ts";
import { createJobWorker } from "./jobs/job-worker.ts";
import { createJobs, type Jobs } from "./jobs/jobs.ts";
import { createKeyedLock } from "./keyed-lock.ts";
import { type Audit, createAudit } from "./ledger/audit.ts";
import { type CheckpointOptions, type Checkpoints, noCheckpoints, startCheckpoints } from "./ledger/checkpoints.ts";
import { createLimits, type Limits as PolicyLimits } from "./limits/limits.ts";
import { createLocks, type Locks } from "./locks/locks.ts";
import { createMatching, type Handout, type Poll, stickyAliveFor } from "./matching.ts";
import { createNamespaces } from "./namespaces.ts";
import { type Backtest, createBacktest } from "./policy/backtest.ts";
import { type Signing, unsignedAllowed } from "./policy/bundle-source.ts";
import { createPolicies, type Policies } from "./policy/policies.ts";
import { bundleIdOf, enforcePolicyFiles } from "./policy/policy-files.ts";
import { createPublisher } from "./policy/publisher.ts";
import { createSafetyKernel, type SafetyKernel } from "./policy/safety-kernel.ts";
import { type Endpoint, endpointDefaults } from "./push/endpoint.ts";
import { type ConfiguredEndpoint, createEndpoints, type Endpoints } from "./push/endpoints.ts";
import { type Pinged, ping } from "./push/push-request.ts";
import { createPushWorker } from "./push/push-worker.ts";
import { limitedPoll } from "./quotas/limited-poll.ts";
import { createQuotas, type Quotas } from "./quotas/quotas.ts";
import { createReconciler, type Reconciler } from "./reconciler/reconciler.ts";
import {
  keepActivityAlive,
  pollActivityTaskQueue,
  recordActivityTaskHeartbeat,
  recordActivityTaskHeartbeatById,
  respondActivityTaskCanceled,
  respondActivityTaskCanceledById,
  respondActivityTaskCompleted,
  respondActivityTaskCompletedById,
  respondActivityTaskFailed,
  respondActivityTaskFailedById,
} from "./requests/activity-tasks.ts";
import { deleteWorkflowExecution } from "./requests/delete-workflow-execution.ts";
import { describeWorkflowExecution } from "./requests/describe-workflow-execution.ts";
import { getWorkflowExecutionHistory, getWorkflowExecutionHistoryReverse } from "./requests/get-workflow-execution-history.ts";
import {
  countWorkflowExecutions,
  listClosedWorkflowExecutions,
  listOpenWorkflowExecutions,
  listWorkflowExecutions,
  scanWorkflowExecutions,
} from "./requests/list-workflow-executions.ts";
import { deleteNamespace, describeNamespace, listNamespaces, registerNamespace, updateNamespace } from "./requests/namespace-requests.ts";
import { queryWorkflow, respondQueryTaskCompleted } from "./requests/query-workflow.ts";
import { requestCancelWorkflowExecution } from "./requests/request-cancel-workflow-execution.ts";
import {
  addSearchAttributes,
  getSearchAttributes,
  listSearchAttributes,
  removeSearchAttributes,
} from "./requests/search-attribute-requests.ts";
import { signalWorkflowExecution } from "./requests/signal-workflow-execution.ts";
import { signalWithStartWorkflowExecution, startWorkflowExecution } from "./requests/start-workflow-execution.ts";
import { getClusterInfo, getSystemInfo } from "./requests/system-info.ts";
import { describeTaskQueue, listTaskQueuePartitions, shutdownWorker } from "./requests/task-queue-requests.ts";
import { terminateWorkflowExecution } from "./requests/terminate-workflow-execution.ts";
import { executeMultiOperation, pollWorkflowExecutionUpdate, updateWorkflowExecution } from "./requests/update-workflow-execution.ts";
import {
  pollWorkflowTaskQueue,
  resetStickyTaskQueue,
  respondWorkflowTaskCompleted,
  respondWorkflowTaskFailed,
} from "./requests/workflow-tasks.ts";
import { startRetention } from "./retention.ts";
import { createRuns } from "./runs.ts";
import { createSchemas, type Schemas } from "./schemas.ts";
import type { Services } from "./services.ts";
import { createStream, type Stream } from "./stream.ts";
import { createTraces, type Traces } from "./traces/traces.ts";
import { createTransfer } from "./transfer.ts";
import { createWakes } from "./wakes.ts";
import { createLeases, type Leases } from "./workers/leases.ts";
import { createTaskTokens, taskTokenKey } from "./workers/task-token.ts";
import { createWorkers, type Workers } from "./workers/workers.ts";

/**
 * The history of a declarative run may be longer than that of code, which somebody has to replay: three events for each job, and three for
 * the decision that follows it.
 */
const dagHistoryFactor = 8;

const pushDefaults = { allowPrivate: false, endpoints: {} };
const httpDefaults = { allowPrivate: false, timeout: 30 * secondMs };

/** The decision on an activity needs the event that scheduled it. */
const eventNeeded: Refusal = { kind: "unavailable", message: "the activity is decided anew" };

export type CoreOptions = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits: Limits;
  readonly longPoll: LongPoll;
  /** Fresh random ids (UUIDs). */
  readonly newId: () => string;
  /** Namespaces that exist from the start. */
  readonly namespaces: readonly {
    readonly name: string;
    readonly retention: DurationMs;
    readonly searchAttributes: { readonly [name: string]: IndexedValueType };
  }[];
  /** Whether closed runs are deleted when their retention is over. */
  readonly retention: boolean;
  /** Whether every action is denied while no policy is published. */
  readonly requirePolicy?: boolean;
  /** Without them, the ends of the ledger's chains are not sealed. */
  readonly checkpoints?: CheckpointOptions;
  /** Policy files that are in force beside what was published, and whose signatures bundles need. */
  readonly policy?: { readonly files: readonly string[]; readonly signing: Signing };
  /** Where notifications may go, and how. */
  readonly notify?: WebhookOptions & {
    readonly channels: Channels;
    /** The channel that hears of approvals when they are asked for or escalate, null for none. */
    readonly approvals: string | null;
  };
  /** Where HTTP steps may reach, and how long an answer may take. */
  readonly http?: Pick<OutgoingOptions, "allowPrivate" | "timeout">;
  /** Where tasks are pushed to besides what is registered, and which hosts may be private. */
  readonly push?: {
    readonly allowPrivate: OutgoingOptions["allowPrivate"];
    readonly endpoints: { readonly [id: string]: ConfiguredEndpoint };
  };
  /** Task queues of the workers of topics, by patterns of topics; a topic without one is its own. */
  readonly routes?: { readonly [topics: string]: string };
  /** How large artifacts may be, and how long they are kept. */
  readonly artifacts?: ArtifactOptions;
  /** How often what stands still is looked for; without it only when somebody asks. */
  readonly reconcile?: { readonly interval: DurationMs };
  /** What namespaces may take of the server; without it, as much as they like. */
  readonly quotas?: QuotaOptions;
  /** The machine, for whoever asks what is wrong. */
  readonly host?: Host;
  /** Without it, nobody has to say who they are. */
  readonly access?: AccessOptions;
  /** Told after each commit. */
  readonly onCommit?: () => void;
};

/** The server without its edges: use cases over a store, and the loops that carry out what is due. */
export type Core = {
  readonly services: Services;
  readonly access: Access;
  /** Decides actions; other snapshots are put in force through it. */
  readonly kernel: SafetyKernel;
  readonly approvals: Approvals;
  readonly audit: Audit;
  /** What the policy's limits have let through, and how much room is left. */
  readonly policyLimits: Pick<PolicyLimits, "list">;
  /** What happens, for those who watch. */
  readonly stream: Stream;
  /** Bundles and publications. */
  readonly policies: Policies;
  /** Requests that may be sent again, by their keys. */
  readonly idempotency: Idempotency;
  readonly checkpoints: Checkpoints;
  readonly reconciler: Reconciler;
  /** Says what is stuck and why. */
  readonly doctor: Doctor;
  readonly backtest: Backtest;
  /** Declarative workflows and their runs. */
  readonly dag: Dag;
  /** That steps of declarative workflows name. */
  readonly schemas: Schemas;
  /** That declarative workflows look into. */
  readonly configs: Configs;
  readonly traces: Traces;
  /** What every request passes that is of a namespace. */
  readonly admission: Admission;
  readonly quotas: Pick<Quotas, "usageOf">;
  /** Of resources outside of this server. */
  readonly locks: Locks;
  /** Files behind pointers. */
  readonly artifacts: Artifacts;
  readonly jobs: Jobs;
  /** Jobs that failed for good. */
  readonly deadLetters: DeadLetters;
  readonly workers: Workers;
  /** Activity tasks for workers that speak HTTP. */
  readonly leases: Leases;
  /** HTTPS endpoints that activity tasks are pushed to. */
  readonly endpoints: Endpoints;
  /** Asks an endpoint whether it is there. */
  readonly pingEndpoint: (endpoint: Endpoint, signal: AbortSignal) => Promise<Pinged>;
  /** Appends to the ledger what belongs to no run. */
  record(entry: LedgerEntry): Promise<void>;
  /** Whether a worker has or could have something to do right now. */
  isBusy(): boolean;
  /** When something is due next, null for never. */
  nextWake(): Promise<number | null>;
  /** The clock has jumped: what is due now is looked for again. */
  clockJumped(): void;
  /** Answers open polls empty and hands out no more tasks. Resolves when what the server itself works on has ended. */
  drain(): Promise<void>;
  /** Stops the loops and waits for commits under way. The store stays open. */
  stop(): Promise<void>;
};

/**
 * Puts the parts together and recovers what the last process left: tasks, timers and effects go on where they were. Rejects when the policy
 * cannot be put in force; nothing has happened by then.
 */
export async function startCore(options: CoreOptions): Promise<Core> {
  const { store, clock, log, metrics, limits, newId } = options;
  const routeTopic = createRoutes(options.routes ?? {});
  const namespaces = createNamespaces({ store, clock, newId });
  const notifyOptions = options.notify ?? { channels: {}, approvals: null, signingKey: null, allowPrivate: false, timeout: 10 * secondMs };
  const noticesUrl = webhookUrl(notifyOptions.channels[notifyOptions.approvals ?? ""] ?? "");
  const stream = createStream({ clock, namespaces, newId });
  const crowd = createCrowd({ now: () => performance.now() });
  const groups = stream.following(countingApprovals(createCommitter({ store, metrics, crowd }), metrics));
  let notices: ApprovalNotices | null = null;
  const committer = noticesUrl === null ? groups : committingNotices(groups, () => notices?.added());
  const startLock = createKeyedLock();
  const queries: Engine["queries"] = new Map();
  /** Runs with work for workers; only a clock that skips time asks. */
  const busy = options.onCommit === undefined ? null : new Set<string>();

  const policyLimits = createLimits({
    store,
    clock,
    metrics,
    log: log.child("limits"),
    change: async (run, request) => {
      const changed = await runs.transact(run, (draft) => ok(request(draft)));
      return changed.ok && changed.value;
    },
    record: (change) => runs.submit([], change),
  });
  const kernel = createSafetyKernel({ newId, requirePolicy: options.requirePolicy ?? false, limits: policyLimits });

  const contextOf = (namespaceId: string): Context => {
    const entry = namespaces.byId(namespaceId);
    return {
      now: clock.now(),
      newId,
      limits,
      namespaceName: entry?.name ?? "",
      searchAttributeTypes: entry?.attributeTypes ?? new Map(),
      namespaceIdOf: (name) => {
        const found = namespaces.get(name);
        return found.ok ? found.value.id : undefined;
      },
      admit: kernel.admit,
      stickyAlive: (taskQueue) => matching.isPolled({ namespaceId, taskQueue, type: "workflow" }, stickyAliveFor),
      historyCountMax: (taskQueue) => limits.historyCountError * (taskQueue === dagTaskQueue ? dagHistoryFactor : 1),
    };
  };

  const quotas = createQuotas({ options: options.quotas ?? noQuotas, namespaces, store, log: log.child("quotas"), metrics });
  const tokens = createTaskTokens(options.access?.required === true ? await taskTokenKey({ store, committer }) : null);
  const dispatch = createDispatch({
    store,
    matching: () => matching,
    queries,
    kernel,
    tokens,
    quotas,
    speculative: (cell, queue) => {
      const scheduledEventId = cell.state.core.workflowTask?.scheduledEventId ?? 0;
      matching.offer(queue, {
        start: (poll) => startTask({ run: cell.key, type: "workflow", scheduledEventId, stamp: 1 }, poll),
      });
    },
  });

  /** Starts a task for a poller. An activity that has to be decided anew is decided on its event, which is read first. */
  const startTask = async (task: Pick<BacklogTask, "run" | "type" | "scheduledEventId" | "stamp">, poll: Poll): Promise<Handout | null> => {
    let scheduled: HistoryEvent | null = null;
    for (;;) {
      const started = await runs.transact<Handout | null>(
        task.run,
        (draft, cell) => {
          if (task.type === "activity" && scheduled === null && dispatch.mustDecide(draft, task.scheduledEventId)) return err(eventNeeded);
          return ok(dispatch.handOut(cell, draft, task, poll, scheduled));
        },
        { deleteTasks: [task] },
      );
      if (started.ok) return started.value;
      if (started.error !== eventNeeded) return null;
      scheduled = (await readEvent(store, task.run, task.scheduledEventId)) ?? null;
      if (scheduled === null) return null;
    }
  };

  const matching = createMatching({ store, clock, metrics, startTask, takeActivity: quotas.takeActivity });
  quotas.onRoom(matching.roomFor);

  const runs = createRuns<InlineWorker>({
    store,
    committer,
    metrics,
    contextOf,
    stage: quotas.following(policyLimits.following(dispatch.stage)),
    encodeEffects: (draft) => transfer.encode(draft),
    noted: kernel.noted,
    committed: (parts, outbox) => {
      for (const { cell } of parts) {
        wakes.set(cell.key, wakeAt(cell.state));
        if (busy !== null && hasWorkForWorkers(cell.state)) busy.add(cell.key.runId);
        else busy?.delete(cell.key.runId);
      }
      stream.committed(parts);
      slots.committed(parts);
      transfer.added(outbox);
      options.onCommit?.();
    },
  });

  const slots = createRunSlots({ store, runs, namespaces, clock, log: log.child("dag") });

  const wakes = createWakes({
    store,
    clock,
    metrics,
    log: log.child("timers"),
    wake: async (key) => {
      const woken = await runs.transact(key, (draft) => {
        wake(draft);
        return ok(undefined);
      });
      // A run that is gone needs no waking; one that is busy is tried again.
      if (!woken.ok && woken.error.kind === "unavailable") throw new Error(woken.error.message);
    },
  });

  const transfer = createTransfer({
    store,
    log: log.child("transfer"),
    carryOut: createEffects({ store, clock, runs, namespaces, startLock, kernel, newId }),
  });

  const reconciler = createReconciler({ store, clock, log: log.child("reconciler"), metrics, runs, namespaces, matching, transfer });

  const { files, signing } = options.policy ?? { files: [], signing: unsignedAllowed };
  const policyLog = log.child("policy");
  const publisher = createPublisher({ store, committer, kernel, clock, log: policyLog, signing });

  await namespaces.recover(options.namespaces);
  await policyLimits.recover();
  await quotas.recover(runs.load);
  // Before anything is decided.
  const policyFiles = await enforcePolicyFiles(files, { publisher, signing, log: policyLog });
  if (!policyFiles.ok) throw new Error(policyFiles.error.join("\n"));
  await matching.recover();
  await wakes.start();
  await transfer.recover();
  const stopMeasuring = await measureApprovals({ store, namespaces, clock, metrics, log: log.child("approvals") });
  const idempotency = createIdempotency({ store, committer, clock, newId });
  const artifacts = createArtifacts({ store, committer, clock, namespaces, options: options.artifacts ?? artifactDefaults });
  const stopRetention = options.retention
    ? startRetention({ store, clock, namespaces, runs, idempotency, artifacts, log: log.child("retention") })
    : () => {};

  const checkpoints =
    options.checkpoints === undefined
      ? noCheckpoints
      : startCheckpoints(options.checkpoints, { store, committer, clock, log: log.child("ledger") });

  if (options.reconcile !== undefined) reconciler.start(options.reconcile.interval);

  const clusterId = namespaces.list()[0]?.id ?? newId();
  const engine: Engine = {
    store,
    tokens,
    clock,
    log,
    metrics,
    limits,
    longPoll: options.longPoll,
    newId,
    clusterId,
    namespaces,
    runs,
    quotas,
    transfer,
    matching,
    startLock,
    queries,
    directQueries: new Map(),
  };

  const post = createWebhooks(notifyOptions);
  if (noticesUrl !== null)
    notices = startApprovalNotices({ store, committer: groups, namespaces, url: noticesUrl, post, log: log.child("notices") });
  const builtInWorker = createBuiltInWorker({
    matching,
    namespaces,
    log: log.child("built-in"),
    requests: {
      pollActivityTaskQueue: pollActivityTaskQueue(engine),
      recordActivityTaskHeartbeat: recordActivityTaskHeartbeat(engine),
      respondActivityTaskCompleted: respondActivityTaskCompleted(engine),
      respondActivityTaskFailed: respondActivityTaskFailed(engine),
      respondActivityTaskCanceled: respondActivityTaskCanceled(engine),
    },
    activities: {
      [approvalActivity]: approval(engine),
      [notifyActivity]: notify({ channels: notifyOptions.channels, post }),
      [httpActivity]: http({ send: createRequests({ ...(options.http ?? httpDefaults), setting: "http.allowPrivate" }) }),
    },
  });

  const access = await createAccess({
    options: options.access ?? openAccess,
    store,
    committer,
    clock,
    namespaces,
    runs,
    tokens,
    metrics,
    log: log.child("access"),
  });
  const services = createServices(engine);
  const jobs = createJobs({ engine, routeTopic });
  const jobWorker = createJobWorker({
    matching,
    namespaces,
    runs,
    store,
    log: log.child("jobs"),
    requests: { ...services, pollWorkflowTaskQueue: pollWorkflowTaskQueue(engine) },
  });
  const { allowPrivate: pushPrivate, endpoints: configured } = options.push ?? pushDefaults;
  const endpoints = await createEndpoints({ store, committer, clock, namespaces, configured, allowPrivate: pushPrivate });
  const sendPush = createRequests({ allowPrivate: pushPrivate, setting: "push.allowPrivate", timeout: endpointDefaults.timeout });
  const pushWorker = createPushWorker({
    matching,
    namespaces,
    endpoints,
    requests: { ...services, recordActivityTaskHeartbeat: keepActivityAlive(engine) },
    send: sendPush,
    clock,
    log: log.child("push"),
  });
  const deadLetters = createDeadLetters({ engine, committer, jobs, sweeps: options.retention });

  const configs = createConfigs({ store, committer, clock, namespaces });
  const dag = createDag({ engine, committer, kernel, routeTopic, slots, configs, log: log.child("dag") });
  await slots.recover();

  return {
    services,
    access,
    dag,
    configs,
    traces: createTraces(engine),
    schemas: createSchemas({ store, committer, clock, namespaces }),
    admission: createAdmission({ namespaces, quotas, turns: createTurns({ crowd }) }),
    quotas,
    locks: createLocks({ store, committer, clock, namespaces }),
    artifacts,
    jobs,
    deadLetters,
    leases: createLeases({ namespaces, services, tokens }),
    endpoints,
    pingEndpoint: (endpoint, signal) => ping({ endpoint, id: newId(), now: clock.now(), signal }, sendPush),
    reconciler,
    doctor: createDoctor({
      store,
      clock,
      log: log.child("doctor"),
      namespaces,
      matching,
      transfer,
      reconciler,
      policyLimits,
      runs,
      policy: () => publisher.current,
      snapshot: kernel.snapshot,
      checkpointInterval: options.checkpoints?.interval ?? null,
      host: options.host ?? null,
    }),
    kernel,
    record: (entry) => runs.submit([], { ledger: [entry] }),
    approvals: createApprovals({ store, clock, runs, namespaces, kernel }),
    audit: createAudit({ store, namespaces }),
    policyLimits,
    stream,
    idempotency,
    workers: createWorkers({ matching, namespaces }),
    checkpoints,
    backtest: createBacktest({ store, namespaces, clock, snapshotOf: publisher.past }),
    policies: createPolicies({ store, committer, publisher, clock, signing, files: new Set(files.map(bundleIdOf)) }),
    isBusy: () => (busy !== null && busy.size > 0) || !transfer.idle,
    nextWake: () => wakes.next(),
    clockJumped: () => wakes.recheck(),
    drain: async () => {
      matching.drain();
      await Promise.all([builtInWorker, dag.worker, jobWorker, pushWorker].map((worker) => worker.drain()));
    },
    stop: async () => {
      matching.drain();
      stream.end();
      await Promise.all([builtInWorker.stop(), dag.worker.stop(), jobWorker.stop(), pushWorker.stop(), notices?.stop()]);
      deadLetters.stop();
      policyLimits.stop();
      quotas.stop();
      await reconciler.stop();
      wakes.stop();
      transfer.stop();
      stopRetention();
      stopMeasuring();
      policyFiles.value.stop();
      await checkpoints.stop();
      await access.stop();
      await committer.idle();
    },
  };
}

/** Whether a task of the run is with a worker or waits for one. */
const hasWorkForWorkers = (state: MutableState): boolean =>
  isRunning(state) &&
  (state.core.workflowTask !== undefined ||
    [...state.activities.values()].some((activity) => activity.startedTime !== 0 || activity.dispatched));

/** Every request of the protocol with its use case: a missing one does not compile. */
const createServices = (engine: Engine): Services => ({
  getSystemInfo: getSystemInfo(),
  getClusterInfo: getClusterInfo(engine),
  registerNamespace: registerNamespace(engine),
  describeNamespace: describeNamespace(engine),
  listNamespaces: listNamespaces(engine),
  updateNamespace: updateNamespace(engine),
  deleteNamespace: deleteNamespace(engine),
  startWorkflowExecution: startWorkflowExecution(engine),
  signalWorkflowExecution: signalWorkflowExecution(engine),
  signalWithStartWorkflowExecution: signalWithStartWorkflowExecution(engine),
  executeMultiOperation: executeMultiOperation(engine),
  queryWorkflow: queryWorkflow(engine),
  updateWorkflowExecution: updateWorkflowExecution(engine),
  pollWorkflowExecutionUpdate: pollWorkflowExecutionUpdate(engine),
  requestCancelWorkflowExecution: requestCancelWorkflowExecution(engine),
  terminateWorkflowExecution: terminateWorkflowExecution(engine),
  deleteWorkflowExecution: deleteWorkflowExecution(engine),
  describeWorkflowExecution: describeWorkflowExecution(engine),
  listWorkflowExecutions: listWorkflowExecutions(engine),
  scanWorkflowExecutions: scanWorkflowExecutions(engine),
  countWorkflowExecutions: countWorkflowExecutions(engine),
  listOpenWorkflowExecutions: listOpenWorkflowExecutions(engine),
  listClosedWorkflowExecutions: listClosedWorkflowExecutions(engine),
  getSearchAttributes: getSearchAttributes(engine),
  addSearchAttributes: addSearchAttributes(engine),
  removeSearchAttributes: removeSearchAttributes(engine),
  listSearchAttributes: listSearchAttributes(engine),
  getWorkflowExecutionHistory: getWorkflowExecutionHistory(engine),
  getWorkflowExecutionHistoryReverse: getWorkflowExecutionHistoryReverse(engine),
  pollWorkflowTaskQueue: exceptServerTaskQueues(limitedPoll(engine, pollWorkflowTaskQueue(engine))),
  respondWorkflowTaskCompleted: respondWorkflowTaskCompleted(engine),
  respondWorkflowTaskFailed: respondWorkflowTaskFailed(engine),
  respondQueryTaskCompleted: respondQueryTaskCompleted(engine),
  resetStickyTaskQueue: resetStickyTaskQueue(engine),
  pollActivityTaskQueue: exceptServerTaskQueues(limitedPoll(engine, pollActivityTaskQueue(engine))),
  recordActivityTaskHeartbeat: recordActivityTaskHeartbeat(engine),
  recordActivityTaskHeartbeatById: recordActivityTaskHeartbeatById(engine),
  respondActivityTaskCompleted: respondActivityTaskCompleted(engine),
  respondActivityTaskCompletedById: respondActivityTaskCompletedById(engine),
  respondActivityTaskFailed: respondActivityTaskFailed(engine),
  respondActivityTaskFailedById: respondActivityTaskFailedById(engine),
  respondActivityTaskCanceled: respondActivityTaskCanceled(engine),
  respondActivityTaskCanceledById: respondActivityTaskCanceledById(engine),
  shutdownWorker: shutdownWorker(engine),
  describeTaskQueue: describeTaskQueue(engine),
  listTaskQueuePartitions: listTaskQueuePartitions(engine),
});
