import { err, ok, type Result } from "../../base/result.ts";
import { openDraft, type RunKey } from "../../execution/execution.ts";
import { denialFailure, notApprovedFailure } from "../../execution/failures.ts";
import { pendingAction } from "../../execution/held-action.ts";
import { wake } from "../../execution/wake.ts";
import type { Principal } from "../../governance/action.ts";
import type { ApprovalRefusal, ApprovalRequest, ClosedStatus } from "../../governance/approval/approval.ts";
import type { Decision } from "../../governance/policy/decide.ts";
import { type Approval, ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Header, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import type { HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import type { Store, StoredApproval } from "../../store/store.ts";
import type { Clock } from "../clock.ts";
import { type InlineWorker, readEvent } from "../dispatch.ts";
import { createKeyedLock } from "../keyed-lock.ts";
import { decisionHeader } from "../ledger/decision-record.ts";
import type { Namespaces } from "../namespaces.ts";
import type { SafetyKernel } from "../policy/safety-kernel.ts";
import { NotCommitted, type Runs } from "../runs.ts";
import { decideOnApproval, decodeApproval, endOf } from "./approval-record.ts";

export type ApprovalsRefusal = ApprovalRefusal | "no-such-approval" | "no-such-namespace" | "busy";

/** The one queue of what waits for people. */
export type Approvals = {
  /**
   * Of a namespace, oldest first (then by id); only pending ones unless asked for all, or for another status. At most 100 a page; `next` is
   * null on the last. A page may have fewer than there are: of other topics, so many are passed over that a page looks at 1,000.
   */
  list(page: {
    namespace: string;
    all: boolean;
    status?: AnyStatus | undefined;
    workflowId?: string | undefined;
    topic?: string | undefined;
    after: string | null;
    limit: number;
  }): Promise<Result<{ approvals: readonly Approval[]; next: string | null }, ApprovalsRefusal>>;
  /** Another namespace's is as good as none. */
  get(of: { namespace: string; id: string }): Promise<Result<Approval, ApprovalsRefusal>>;
  /** One of them with what the action is given, as its run's history has it. */
  show(of: { namespace: string; id: string }): Promise<Result<ShownApproval, ApprovalsRefusal>>;
  /**
   * Counts a vote. The one that completes the quorum releases the action, a rejection fails it; vote, effect and ledger entries are one
   * commit. A grant is void when the action is no longer the one that was asked for, or when the policy now in force denies it.
   */
  vote(
    of: { namespace: string; id: string },
    vote: { voter: Principal; verdict: "grant" | "reject"; reason: string; jobHash: string | null; policySnapshot: string | null },
  ): Promise<Result<Approval, ApprovalsRefusal>>;
  /** Hands the right to decide over to another principal, who has it instead from then on. */
  delegate(
    of: { namespace: string; id: string },
    delegation: { from: Principal; to: string; reason: string },
  ): Promise<Result<Approval, ApprovalsRefusal>>;
  /** Whoever asked takes the request back: the action is refused, in the same commit. */
  withdraw(
    of: { namespace: string; id: string },
    withdrawal: { by: Principal; reason: string },
  ): Promise<Result<Approval, ApprovalsRefusal>>;
};

/** Every status that an approval can have. */
export type AnyStatus = ClosedStatus | typeof ApprovalStatus.PENDING;

export type ShownApproval = {
  readonly approval: Approval;
  readonly input: Payloads | undefined;
  readonly header: Header | undefined;
};

/** What people ask of a pending approval. */
type PersonsRequest = Extract<ApprovalRequest, { readonly type: "vote" | "delegate" | "withdraw" }>;

const pageMax = 100;
const lookedAtMax = 1_000;
const attemptsMax = 16;

export function createApprovals(deps: {
  readonly store: Pick<Store, "readApproval" | "listApprovals" | "readHistory">;
  readonly clock: Pick<Clock, "now">;
  readonly runs: Runs<InlineWorker>;
  readonly namespaces: Pick<Namespaces, "get">;
  readonly kernel: SafetyKernel;
}): Approvals {
  const { store, clock, runs, namespaces, kernel } = deps;
  /** One request on an approval after the other: two at once would both be decided on the same state, and one be tried again. */
  const turns = createKeyedLock();

  async function find({ namespace, id }: { namespace: string; id: string }): Promise<Result<StoredApproval, ApprovalsRefusal>> {
    const found = namespaces.get(namespace);
    if (!found.ok) return err("no-such-namespace");
    const stored = await store.readApproval(id);
    return stored?.run.namespaceId === found.value.id ? ok(stored) : err("no-such-approval");
  }

  async function carryOut(stored: StoredApproval, request: PersonsRequest): Promise<Result<Approval, ApprovalsRefusal>> {
    const now = clock.now();
    const voted = decideOnApproval(stored, [request], now);
    if (!voted.ok) {
      // Who is told that it is too late is told so for good, also by a clock that is set back: the action ends first.
      if (voted.error === "too-late") await wakeRun(stored.run);
      return voted;
    }
    if (voted.value.approval.status === ApprovalStatus.PENDING) {
      await runs.submit([], voted.value);
      return ok(voted.value.approval);
    }
    const scheduled = await readEvent(store, stored.run, stored.scheduledEventId);
    const cell = await runs.load(stored.run);
    const draft = cell === null ? null : openDraft(cell.state, runs.contextOf(stored.run.namespaceId));
    const action = draft === null ? null : pendingAction(draft, stored.scheduledEventId);
    if (cell === null || draft === null || scheduled === undefined || action?.hold?.approvalId !== stored.id) {
      // The action went its own way; the effect that ends the approval is about to be carried out.
      await cell?.settled;
      if (cell?.broken) throw new NotCommitted("the run is not what it was taken for");
      return err("too-late");
    }
    const parts = [{ cell, draft }];
    const { ruleId, jobHash: askedFor } = voted.value.approval;
    const refuse = (reason: string, snapshot: string, by: Pick<Decision, "ruleId" | "remediations"> = { ruleId, remediations: [] }) => {
      const { ruleId: rule, remediations } = by;
      action.refuse(denialFailure({ rule, reason, snapshot, jobHash: askedFor, approval: stored.id, remediations }));
    };
    if (voted.value.approval.status !== ApprovalStatus.GRANTED) {
      const message = request.type === "vote" ? rejectedBy(request) : voted.value.approval.closeReason;
      if (action.hold.isRequest) action.refuse(notApprovedFailure("ApprovalRejected", message, endOf(voted.value.approval)));
      else refuse(message, voted.value.approval.policySnapshot);
      await runs.submit(parts, voted.value);
      return ok(voted.value.approval);
    }
    const { decision, jobHash } = kernel.decide(action.wanted(scheduled), draft);
    const denial = decision.effect === "DENY" ? decision.reason : null;
    const revalidated = decideOnApproval(stored, [{ type: "revalidate", jobHash, denial }], now);
    if (revalidated.ok && revalidated.value.approval.status === ApprovalStatus.VOID) {
      refuse(revalidated.value.approval.closeReason, decision.snapshot, decision);
      await runs.submit(parts, revalidated.value);
      return ok(revalidated.value.approval);
    }
    const used = decideOnApproval(stored, [request, { type: "use", jobHash }], now);
    if (!used.ok) return used;
    action.release({ approvalId: stored.id, jobHash });
    await runs.submit(parts, used.value);
    return ok(used.value.approval);
  }

  const wakeRun = (run: RunKey) =>
    runs.transact(run, (draft) => {
      wake(draft);
      return ok(undefined);
    });

  const take = (of: { namespace: string; id: string }, request: PersonsRequest) =>
    turns.run(of.id, async (): Promise<Result<Approval, ApprovalsRefusal>> => {
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        const stored = await find(of);
        if (!stored.ok) return stored;
        try {
          return await carryOut(stored.value, request);
        } catch (error) {
          if (!(error instanceof NotCommitted)) throw error;
        }
      }
      return err("busy");
    });

  return {
    list: async ({ namespace, all, status, workflowId, topic, after, limit }) => {
      const found = namespaces.get(namespace);
      if (!found.ok) return err("no-such-namespace");
      const wanted = status ?? (all ? undefined : ApprovalStatus.PENDING);
      const approvals: Approval[] = [];
      const countMax = Math.min(Math.max(1, limit), pageMax);
      let next = after;
      for (let lookedAt = 0; lookedAt < lookedAtMax; ) {
        const page = await store.listApprovals({
          namespaceId: found.value.id,
          after: next,
          limit: countMax - approvals.length,
          ...(wanted === undefined ? {} : { status: wanted }),
          ...(workflowId === undefined ? {} : { workflowId }),
        });
        const read = page.approvals.map(decodeApproval);
        approvals.push(...read.filter((approval) => topic === undefined || approval.topic === topic));
        lookedAt += read.length;
        next = page.next;
        if (next === null || approvals.length === countMax) break;
      }
      return ok({ approvals, next });
    },
    get: async (of) => {
      const stored = await find(of);
      return stored.ok ? ok(decodeApproval(stored.value)) : stored;
    },
    show: async (of) => {
      const stored = await find(of);
      if (!stored.ok) return stored;
      const asked = await readEvent(store, stored.value.run, stored.value.scheduledEventId);
      return ok({ approval: decodeApproval(stored.value), ...givenBy(asked) });
    },
    vote: (of, { voter, verdict, reason, jobHash, policySnapshot }) =>
      take(of, { type: "vote", voter, verdict, reason, seen: { jobHash, policySnapshot } }),
    delegate: (of, { from, to, reason }) => take(of, { type: "delegate", from, to, reason }),
    withdraw: (of, { by, reason }) => take(of, { type: "withdraw", by, reason }),
  };
}

/** What the event that scheduled or initiated an action gives to it. */
function givenBy(event: HistoryEvent | undefined): Pick<ShownApproval, "input" | "header"> {
  const attributes = event?.attributes;
  switch (attributes?.$case) {
    case "activityTaskScheduledEventAttributes":
    case "startChildWorkflowExecutionInitiatedEventAttributes":
    case "signalExternalWorkflowExecutionInitiatedEventAttributes":
    case "workflowExecutionStartedEventAttributes":
      return { input: attributes.value.input, header: withoutDecision(attributes.value.header) };
    default:
      return { input: undefined, header: undefined };
  }
}

/** What the caller gave, without what the policy said to it. */
function withoutDecision(header: Header | undefined): Header | undefined {
  const { [decisionHeader]: _, ...fields } = header?.fields ?? {};
  return header === undefined ? undefined : { ...header, fields };
}

const rejectedBy = ({ voter, reason }: Extract<PersonsRequest, { type: "vote" }>): string =>
  `rejected by ${voter.id}${reason === "" ? "" : `: ${reason}`}`;
