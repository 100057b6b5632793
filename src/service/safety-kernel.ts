import { assert } from "../base/assert.ts";
import type { Admission, Admit, Caps, Marks, WantedAction } from "../execution/admission.ts";
import type { Draft } from "../execution/execution.ts";
import { denialFailure } from "../execution/failures.ts";
import { type Action, actionOf, jobHash, type Principal } from "../governance/action.ts";
import { inputOfPayloads } from "../governance/action-input.ts";
import { decide as decideApproval, evolve } from "../governance/approval/approval.ts";
import { approvalEntry } from "../governance/approval/approval-entry.ts";
import { canonicalJson } from "../governance/canonical.ts";
import type { LedgerEntry } from "../governance/ledger/ledger.ts";
import { type Decision, decide } from "../governance/policy/decide.ts";
import type { ApprovalTerms } from "../governance/policy/policy.ts";
import { type Snapshot, unpublished } from "../governance/policy/snapshot.ts";
import { encode, make } from "../protocol/codec.ts";
import { Approval, ApprovalRequirements, OnExpiry } from "../protocol/generated/holdfast/state/v1/governance.ts";
import { Hold, type PendingActivity } from "../protocol/generated/holdfast/state/v1/state.ts";
import { Payload } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import { UserMetadata } from "../protocol/generated/temporal/api/sdk/v1/user_metadata.ts";
import type { ApprovalWrite } from "../store/store.ts";

/** What decisions on the actions of a draft add to its change: one commit holds the effect, the decision and its record. */
export type Noted = { readonly approvals: readonly ApprovalWrite[]; readonly ledger: readonly LedgerEntry[] };

/** Decides actions by the policy snapshot in force. */
export type SafetyKernel = {
  readonly admit: Admit;
  /** What has been decided on this draft's actions so far. */
  noted(draft: Draft): Noted;
  /** Decides an action without any effect, by the snapshot in force. */
  decide(wanted: WantedAction, draft: Draft): { readonly decision: Decision; readonly jobHash: string };
  /** Whether a pending attempt has to be decided anew before a worker gets it. */
  needsDecision(activity: Pick<PendingActivity, "policySnapshot" | "attempt" | "decidedAttempt">): boolean;
  snapshot(): Snapshot;
  /** Puts another snapshot in force, from the next decision on. */
  enforce(snapshot: Snapshot): void;
};

/** Header of a scheduled activity that says what was decided of it. */
export const decisionHeader = "holdfast-decision";

const nothingNoted: Noted = { approvals: [], ledger: [] };

export function createSafetyKernel(deps: { readonly newId: () => string; readonly requirePolicy: boolean }): SafetyKernel {
  let snapshot = unpublished({ requirePolicy: deps.requirePolicy });
  const notes = new WeakMap<Draft, { approvals: ApprovalWrite[]; ledger: LedgerEntry[] }>();

  const noteOf = (draft: Draft) => {
    let note = notes.get(draft);
    if (note === undefined) {
      note = { approvals: [], ledger: [] };
      notes.set(draft, note);
    }
    return note;
  };

  const judge: SafetyKernel["decide"] = (wanted, draft) => {
    const decision = withinAttempts(decide(snapshot, actionIn(wanted, draft)), wanted.attempt);
    return { decision, jobHash: jobHash(decision.action) };
  };

  const admit: Admit = (wanted, draft) => {
    // Without a policy nothing is looked at, so that it costs nothing.
    if (snapshot.unpublished?.effect === "ALLOW") return allowedUnpublished(snapshot.hash);
    const { decision, jobHash: hash } = judge(wanted, draft);
    const grant = decision.effect === "REQUIRE_APPROVAL" && wanted.grant?.jobHash === hash ? wanted.grant : null;
    const { namespaceId, runId } = draft.key;
    const { now } = draft.context;
    const note = noteOf(draft);
    note.ledger.push({
      namespaceId,
      at: now,
      kind: "decision",
      runId,
      body: Buffer.from(canonicalJson(decisionRecord(decision, hash, grant?.approvalId ?? null))),
    });
    switch (decision.effect) {
      case "ALLOW":
      case "ALLOW_WITH_CONSTRAINTS":
        return { effect: "allow", marks: marksOf(decision), caps: capsOf(decision), snapshot: snapshot.hash };
      case "DENY":
        return { effect: "refuse", marks: marksOf(decision), failure: denialOf(decision, hash), snapshot: snapshot.hash };
      case "THROTTLE":
        return { effect: "delay", marks: marksOf(decision), until: now + (decision.delay ?? 0), snapshot: snapshot.hash };
      case "REQUIRE_APPROVAL": {
        if (grant !== null) return { effect: "allow", marks: marksOf(decision), caps: capsOf(decision), snapshot: snapshot.hash };
        const asked = ask(wanted, draft, decision, hash);
        note.approvals.push(asked.write);
        note.ledger.push(...asked.ledger);
        return { effect: "hold", marks: marksOf(decision), caps: capsOf(decision), hold: asked.hold, snapshot: snapshot.hash };
      }
    }
  };

  function ask(wanted: WantedAction, draft: Draft, decision: Decision, hash: string) {
    const { key, context, core, started } = draft;
    const { action } = decision;
    const scheduledEventId = wanted.scheduledEventId || core.nextEventId;
    const id = deps.newId();
    const decided = decideApproval(
      null,
      {
        type: "ask",
        ask: {
          id,
          ...key,
          scheduledEventId,
          workflowType: started.workflowType?.name ?? "",
          activityId: wanted.id,
          activityType: wanted.name,
          taskQueue: wanted.taskQueue,
          topic: action.topic,
          labels: Object.fromEntries(action.labels),
          capability: action.capability,
          riskTags: [...action.riskTags],
          requester: { ...action.principal, roles: [...action.principal.roles] },
          starter: { ...action.principal, roles: [...action.principal.roles] },
          ruleId: decision.ruleId ?? "",
          reason: decision.reason,
          policySnapshot: snapshot.hash,
          jobHash: hash,
          requirements: requirementsOf(decision.approval),
        },
      },
      context.now,
    );
    assert(decided.ok, "a new approval cannot be refused");
    const approval = decided.value.reduce<Readonly<Approval>>(evolve, make(Approval));
    return {
      write: {
        id,
        run: key,
        scheduledEventId,
        createdAt: context.now,
        status: approval.status,
        body: encode(Approval, approval),
        expectedVersion: 0,
      } satisfies ApprovalWrite,
      hold: make(Hold, {
        approvalId: id,
        ruleId: decision.ruleId ?? "",
        reason: decision.reason,
        since: context.now,
        expiresAt: approval.expiresAt,
      }),
      ledger: decided.value.map((event) => approvalEntry(approval, event)),
    };
  }

  return {
    admit,
    noted: (draft) => notes.get(draft) ?? nothingNoted,
    decide: judge,
    needsDecision: ({ policySnapshot, attempt, decidedAttempt }) =>
      policySnapshot !== snapshot.hash || (decidedAttempt !== attempt && snapshot.unpublished?.effect !== "ALLOW"),
    snapshot: () => snapshot,
    enforce: (next) => {
      snapshot = next;
    },
  };
}

/** More attempts than the policy now permits may have been made before it said so. */
function withinAttempts(decision: Decision, attempt: number): Decision {
  const max = decision.constraints.budgets?.maxAttempts ?? Number.POSITIVE_INFINITY;
  if (decision.effect === "DENY" || attempt <= max) return decision;
  return { ...decision, effect: "DENY", reason: `attempt ${attempt}, and at most ${max} are permitted: ${decision.reason}` };
}

const allowedUnpublished = (hash: string): Admission => ({ effect: "allow", marks: null, caps: null, snapshot: hash });

/** The action as the policy sees it. Whoever started the workflow acts through it. */
function actionIn(wanted: WantedAction, draft: Draft): Action {
  const { key, context, started } = draft;
  return actionOf({
    namespace: context.namespaceName,
    kind: kinds[wanted.kind],
    name: wanted.name,
    principal: starterOf(draft),
    workflowType: started.workflowType?.name ?? "",
    workflowId: key.workflowId,
    runId: key.runId,
    actionId: wanted.id,
    taskQueue: wanted.taskQueue,
    attempt: wanted.attempt,
    input: inputOfPayloads(wanted.input),
  });
}

const kinds = {
  activity: "activity",
  "child-workflow": "child-workflow",
  "external-signal": "external-signal",
  "external-cancel": "external-cancellation",
} as const;

/** Until callers prove who they are, the identity that the client sent with the start. */
export const starterOf = ({ started }: Pick<Draft, "started">): Principal => ({ id: started.identity, kind: "service", roles: [] });

function requirementsOf(terms: ApprovalTerms | null): ApprovalRequirements {
  const {
    roles = [],
    principals = [],
    quorum = 1,
    fourEyes = false,
    expiresAfter = null,
    escalation = [],
    reasonRequired = false,
  } = terms ?? {};
  return make(ApprovalRequirements, {
    approvers: { roles: [...roles], principals: [...principals] },
    quorum,
    fourEyes,
    expiresAfter: expiresAfter ?? 0,
    onExpiry: OnExpiry.DENY,
    escalations: escalation.map(({ after, roles: others, principals: more }) => ({
      after,
      approvers: { roles: [...others], principals: [...more] },
    })),
    reasonRequired,
  });
}

/** What the ledger keeps of a decision. */
export function decisionRecord(
  { effect, ruleId, bundle, reason, snapshot, action, observed }: Decision,
  hash: string,
  grantedApprovalId: string | null,
): object {
  return {
    effect,
    rule: ruleId,
    bundle,
    reason,
    snapshot,
    job_hash: hash,
    kind: action.kind,
    topic: action.topic,
    name: action.name,
    workflow_id: action.workflowId,
    action_id: action.actionId,
    attempt: action.attempt,
    principal: action.principal.id,
    // By this grant the action may happen although it needs approval.
    ...(grantedApprovalId === null ? {} : { approval: grantedApprovalId }),
    ...(observed === null ? {} : { observed: { effect: observed.effect, rule: observed.ruleId } }),
  };
}

const json = (value: unknown): Payload =>
  make(Payload, { metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(JSON.stringify(value)) });

/** What the history of the run shows: SDKs hand the header to the activity and replay without looking at either. */
function marksOf({ effect, ruleId, reason, snapshot, constraints }: Decision): Marks {
  const decided = { effect, rule: ruleId, reason, snapshot, ...(effect === "ALLOW_WITH_CONSTRAINTS" ? { constraints } : {}) };
  return {
    header: { [decisionHeader]: json(decided) },
    userMetadata:
      effect === "ALLOW" ? undefined : make(UserMetadata, { summary: json(`${effect}: ${reason}`.slice(0, summaryLettersMax)) }),
  };
}

/** User metadata may have 400 bytes as a summary. */
const summaryLettersMax = 120;

const capsOf = ({ constraints }: Decision): Caps | null =>
  constraints.budgets === undefined
    ? null
    : { startToClose: constraints.budgets.maxRuntimeMs ?? null, attempts: constraints.budgets.maxAttempts ?? null };

/** An ordinary `catch` in any SDK reads rule, reason, snapshot and remediations from the details. */
const denialOf = ({ ruleId, reason, snapshot, remediations }: Decision, hash: string): Failure =>
  denialFailure({ rule: ruleId, reason, snapshot, jobHash: hash, remediations });
