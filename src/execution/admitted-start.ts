import { fromProtoTime, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { StartGate } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { WorkflowExecutionStartedEventAttributes } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { approvalExpired } from "./activity.ts";
import { type Admission, admitAll, type Caps, type Grant, markedHeader, type Refused, type WantedAction } from "./admission.ts";
import { refuseRun } from "./close.ts";
import { type Context, type Draft, emptyState, openDraft, type RunKey } from "./execution.ts";
import { escalateHold, isExpired } from "./hold.ts";
import { withAttemptsCap } from "./retry.ts";
import { beginRun, type StartMetadata } from "./start.ts";
import { waitsToBegin } from "./start-gate.ts";
import { scheduleWorkflowTask } from "./workflow-task.ts";

/*
 * What the policy's word does to the start of a workflow. Starts by clients are decided here, children of other namespaces, and runs that
 * follow as another workflow type or on another task queue; all others of a chain are the same workflow.
 */

/** The event that starts a run. */
export const startedEventId = 1;

/**
 * Opens a run, as far as the policy permits: it may begin at once, or waits before its gate. Where the policy refuses,
 * nothing is written, and the draft only stands for what was decided.
 */
export function startAdmitted(
  key: RunKey,
  asked: WorkflowExecutionStartedEventAttributes,
  context: Context,
  metadata: StartMetadata,
): { readonly draft: Draft; readonly refused: Refused | null } {
  const draft = openDraft(emptyState(key), context);
  // What is decided on; it is written with the decision.
  draft.started = asked;
  draft.starter = metadata.principal;
  const admission = (context.admit ?? admitAll)(wantedStart(draft, null), draft);
  if (admission.effect === "refuse") return { draft, refused: admission };
  const started = { ...capped(asked, "caps" in admission ? admission.caps : null), header: markedHeader(asked.header, admission.marks) };
  beginRun(draft, { ...started, eagerExecutionAccepted: asked.eagerExecutionAccepted && admission.effect === "allow" }, metadata);
  if (admission.effect !== "allow") keepBack(draft, admission);
  else if (admission.caps?.startToClose)
    draft.core.startGate = make(StartGate, { policySnapshot: admission.snapshot, runtimeCap: admission.caps.startToClose });
  return { draft, refused: null };
}

/**
 * Opens a run that another one has asked for, as far as the policy permits. Where it refuses, the run fails at once, in its own history: what
 * stands in the other one's cannot be changed without keeping it from being replayed.
 */
export function openAdmitted(
  key: RunKey,
  asked: WorkflowExecutionStartedEventAttributes,
  context: Context,
  metadata: StartMetadata,
): Draft {
  const { draft, refused } = startAdmitted(key, asked, context, metadata);
  if (refused === null) return draft;
  beginRun(draft, { ...asked, header: markedHeader(asked.header, refused.marks) }, metadata);
  refuseRun(draft, refused.failure);
  return draft;
}

/** What the permission limits is written into the first event, where whatever follows in the chain takes it over. */
function capped(asked: WorkflowExecutionStartedEventAttributes, caps: Caps | null): WorkflowExecutionStartedEventAttributes {
  if (caps === null) return asked;
  const { workflowRunTimeout, retryPolicy } = asked;
  const runTimeout = fromProtoTime(workflowRunTimeout);
  return {
    ...asked,
    workflowRunTimeout:
      caps.startToClose === null
        ? workflowRunTimeout
        : toProtoTime(runTimeout > 0 ? Math.min(runTimeout, caps.startToClose) : caps.startToClose),
    retryPolicy: retryPolicy === undefined ? undefined : withAttemptsCap(retryPolicy, caps.attempts),
  };
}

/** The start as an action that wants to happen. */
export const wantedStart = ({ key, core, started }: Draft, grant: Grant | null): WantedAction => ({
  kind: "workflow-start",
  name: started.workflowType?.name ?? "",
  id: key.workflowId,
  taskQueue: started.taskQueue?.name ?? "",
  header: started.header,
  input: started.input,
  attempt: 1,
  scheduledEventId: startedEventId,
  ...(core.startGate !== undefined && core.startGate.decideAt > 0 ? { waitedUnder: core.startGate.policySnapshot } : {}),
  grant,
});

/** Decides a start again that waits before its gate: its time has come, or it was granted. */
export function decideStartAgain(draft: Draft, grant: Grant | null = grantOf(draft)): void {
  const admission = (draft.context.admit ?? admitAll)(wantedStart(draft, grant), draft);
  if (admission.effect === "allow") letBegin(draft, admission, grant);
  else if (admission.effect === "refuse") refuseRun(draft, admission.failure);
  else keepBack(draft, admission, grant);
}

function grantOf({ core }: Draft): Grant | null {
  const { grantedApprovalId: approvalId = "", grantedJobHash: jobHash = "" } = core.startGate ?? {};
  return approvalId === "" ? null : { approvalId, jobHash };
}

function keepBack(draft: Draft, admission: Extract<Admission, { effect: "hold" | "delay" }>, grant: Grant | null = null): void {
  draft.core.startGate = make(StartGate, {
    ...(admission.effect === "hold" ? { hold: admission.hold } : { decideAt: admission.until }),
    ...granted(grant),
    policySnapshot: admission.snapshot,
  });
  if (admission.effect === "hold") draft.held.push({ eventId: startedEventId, hold: admission.hold });
}

/** The first workflow task is due, now or when the run's own start delay is over. */
function letBegin(draft: Draft, { caps, snapshot }: Extract<Admission, { effect: "allow" }>, grant: Grant | null): void {
  const { core, context } = draft;
  core.startGate = make(StartGate, {
    ...granted(grant),
    policySnapshot: snapshot,
    heldFor: Math.max(0, context.now - core.executionTime),
    runtimeCap: caps?.startToClose ?? 0,
  });
  if (core.firstWorkflowTaskDue <= context.now) core.firstWorkflowTaskDue = 0;
  scheduleWorkflowTask(draft);
}

const granted = (grant: Grant | null) => (grant === null ? {} : { grantedApprovalId: grant.approvalId, grantedJobHash: grant.jobHash });

/** Carries out what is due before the gate: another decision, or the end of an approval that nobody gave. */
export function wakeGate(draft: Draft): void {
  const { core, context } = draft;
  const gate = core.startGate;
  if (gate === undefined || !waitsToBegin(core)) return;
  const { hold, decideAt } = gate;
  if (hold === undefined) {
    if (decideAt <= context.now) decideStartAgain(draft);
  } else if (isExpired(hold, context.now)) refuseRun(draft, approvalExpired(gate, hold, context.now));
  else core.startGate = { ...gate, hold: escalateHold(draft, startedEventId, hold) };
}
