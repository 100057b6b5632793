import { randomUUID } from "node:crypto";
import type { WorkflowHandle } from "@temporalio/client";
import type { RunningServer } from "../../src/cli/serve.ts";
import { startTemporalEdge } from "../../src/edge/temporal/server.ts";
import { defaultLimits } from "../../src/execution/limits.ts";
import type { Principal } from "../../src/governance/action.ts";
import type { ChainedEntry, ChainHead } from "../../src/governance/ledger/ledger.ts";
import { type LedgerReport, verifyLedger } from "../../src/governance/ledger/verify-ledger.ts";
import { parsePolicy } from "../../src/governance/policy/policy.ts";
import { type Snapshot, snapshotOf } from "../../src/governance/policy/snapshot.ts";
import type { Approval } from "../../src/protocol/generated/holdfast/state/v1/governance.ts";
import type { PollActivityTaskQueueResponse } from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { createSystemClock } from "../../src/service/clock.ts";
import { type Core, startCore } from "../../src/service/core.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { until } from "./kit.ts";

// A server put together as the real one, whose policy, approvals and ledger a test can reach directly.

/** An activity attempt that left the server. */
export type HandedOut = {
  readonly how: "polled" | "eager";
  readonly workflowId: string;
  readonly activityId: string;
  readonly activityType: string;
  readonly attempt: number;
  readonly at: number;
};

/** A decision as the ledger keeps it. */
export type RecordedDecision = {
  readonly at: number;
  readonly effect: string;
  readonly rule: string | null;
  readonly reason: string;
  readonly snapshot: string;
  readonly job_hash: string;
  readonly topic: string;
  readonly name: string;
  readonly workflow_id: string;
  readonly action_id: string;
  readonly attempt: number;
  readonly principal: string;
  readonly approval?: string;
  readonly observed?: { readonly effect: string; readonly rule: string | null };
};

type Voted = Awaited<ReturnType<Core["approvals"]["vote"]>>;

export type Governed = {
  launch(): Promise<RunningServer>;
  readonly core: Core;
  readonly store: Store;
  /** Attempts that workers got by polling, or eagerly with the answer to a workflow task. */
  readonly handedOut: readonly HandedOut[];
  /** Puts a policy in force, from the next decision on. */
  enforce(yaml: string): Snapshot;
  /** Stops the server, and starts it on the same port and database with this policy, once `meanwhile` is done. */
  restart(yaml: string, meanwhile?: () => Promise<void>): Promise<void>;
  /** The approval that a run waits for. Waits until it does. */
  approvalOf(handle: Pick<WorkflowHandle, "workflowId">): Promise<Approval>;
  approval(id: string): Promise<Approval>;
  vote(id: string, verdict: "grant" | "reject", vote?: { by?: string; reason?: string; jobHash?: string }): Promise<Voted>;
  /** What the ledger says of a workflow: `"decision REQUIRE_APPROVAL big-refunds"`, `"approval-closed granted"`. */
  recordOf(workflowId: string): Promise<readonly string[]>;
  decisions(): Promise<readonly RecordedDecision[]>;
  /** Follows every chain of the ledger. */
  verifyLedger(): Promise<LedgerReport>;
};

export const person = (id: string): Principal => ({ id, kind: "human", roles: [] });

export function snapshotFrom(yaml: string): Snapshot {
  const { policy, problems } = parsePolicy(yaml);
  if (policy === null) throw new Error(problems.map(({ line, message }) => `${line}: ${message}`).join("\n"));
  return snapshotOf([{ id: "test", policy }]);
}

async function* chainEntries(store: Store, head: ChainHead): AsyncIterable<ChainedEntry> {
  for (let from = 1; from <= head.sequence; ) {
    const page = await store.readChain(head, from, 500);
    if (page.length === 0) return;
    yield* page;
    from += page.length;
  }
}

export function governed(options: { readonly policy: string; readonly db?: string }): Governed {
  const handedOut: HandedOut[] = [];
  const note = (
    how: HandedOut["how"],
    { workflowExecution, activityId, activityType, attempt, startedTime }: PollActivityTaskQueueResponse,
  ) =>
    handedOut.push({
      how,
      workflowId: workflowExecution?.workflowId ?? "",
      activityId,
      activityType: activityType?.name ?? "",
      attempt,
      at: startedTime?.getTime() ?? 0,
    });
  let running: { readonly core: Core; readonly store: Store; readonly port: number; stop(): Promise<void> };

  async function start(yaml: string, port: number): Promise<void> {
    const store = await openSqlite({ path: options.db ?? ":memory:" });
    const metrics = createMetrics();
    const core = await startCore({
      store,
      clock: createSystemClock(),
      log: silentLog,
      metrics,
      limits: defaultLimits,
      longPoll: { poll: 60_000, history: 20_000, update: 20_000 },
      newId: randomUUID,
      namespaces: [{ name: "default", retention: 86_400_000, searchAttributes: {} }],
      retention: false,
    });
    core.kernel.enforce(snapshotFrom(yaml));
    const { services } = core;
    const edge = await startTemporalEdge({
      services: {
        ...services,
        pollActivityTaskQueue: async (request, caller) => {
          const polling = await services.pollActivityTaskQueue(request, caller);
          if (polling.ok && polling.value.taskToken.length > 0) note("polled", polling.value);
          return polling;
        },
        respondWorkflowTaskCompleted: async (request, caller) => {
          const answer = await services.respondWorkflowTaskCompleted(request, caller);
          if (answer.ok) for (const task of answer.value.response.activityTasks) note("eager", task);
          return answer;
        },
      },
      host: "127.0.0.1",
      port,
      log: silentLog,
      metrics,
    });
    running = {
      core,
      store,
      port: edge.port,
      stop: async () => {
        await edge.stop();
        await core.stop();
        await store.close();
      },
    };
  }

  async function entries() {
    const all = [];
    for (let after: string | null = null; ; ) {
      const page = await running.core.audit.list({
        namespace: "default",
        since: null,
        until: null,
        kinds: null,
        runId: null,
        after,
        limit: 1000,
      });
      if (!page.ok) throw new Error(page.error);
      all.push(...page.value.entries.map((entry) => ({ ...entry, body: JSON.parse(Buffer.from(entry.body).toString()) })));
      if (page.value.next === null) return all;
      after = page.value.next;
    }
  }

  return {
    launch: async () => {
      await start(options.policy, 0);
      return {
        address: `127.0.0.1:${running.port}`,
        httpAddress: null,
        drain: async () => running.core.drain(),
        stop: () => running.stop(),
      };
    },
    get core() {
      return running.core;
    },
    get store() {
      return running.store;
    },
    handedOut,
    enforce: (yaml) => {
      const snapshot = snapshotFrom(yaml);
      running.core.kernel.enforce(snapshot);
      return snapshot;
    },
    restart: async (yaml, meanwhile) => {
      await running.stop();
      await meanwhile?.();
      await start(yaml, running.port);
    },
    approvalOf: ({ workflowId }) =>
      until(async () => {
        const page = await running.core.approvals.list({ namespace: "default", all: false, after: null, limit: 100 });
        return page.ok && page.value.approvals.find((approval) => approval.workflowId === workflowId);
      }),
    approval: async (id) => {
      const found = await running.core.approvals.get({ namespace: "default", id });
      if (!found.ok) throw new Error(found.error);
      return found.value;
    },
    vote: (id, verdict, { by = "ann", reason = "", jobHash } = {}) =>
      running.core.approvals.vote(
        { namespace: "default", id },
        { voter: person(by), verdict, reason, jobHash: jobHash ?? null, policySnapshot: null },
      ),
    recordOf: async (workflowId) => {
      const all = await entries();
      const runs = new Set(all.filter(({ body }) => body.workflow_id === workflowId).map(({ runId }) => runId));
      // Every test starts workflows; what no rule says of them is not what it is about.
      const isPlainStart = ({ kind, body }: (typeof all)[number]) =>
        kind === "decision" && body.kind === "workflow-start" && body.rule === null;
      return all
        .filter((entry) => runs.has(entry.runId) && !isPlainStart(entry))
        .map(({ kind, body }) =>
          kind === "decision"
            ? `decision ${body.effect} ${body.rule} attempt ${body.attempt}`
            : [kind, body.rule ?? body.status ?? body.change ?? body.act ?? `${body.verdict} by ${body.voter.id}`].join(" "),
        );
    },
    verifyLedger: async () => {
      const { heads } = await running.store.readChains({ namespaceId: null, after: null, limit: 100 });
      const chains = heads.map((head) => ({ chain: head, entries: chainEntries(running.store, head) }));
      return verifyLedger({ chains, checkpoints: [], publicKeys: [] });
    },
    decisions: async () => (await entries()).filter(({ kind }) => kind === "decision").map(({ at, body }) => ({ at, ...body })),
  };
}
