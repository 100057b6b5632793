import type { EpochMs } from "../../base/time.ts";
import type { Draft, MutableState } from "../../execution/execution.ts";
import { denialFailure, notApprovedFailure } from "../../execution/failures.ts";
import { pendingAction } from "../../execution/held-action.ts";
import {
  decideHeldAgain,
  departAgain,
  departing,
  type HeldAction,
  heldActions,
  offerAgain,
  waitingTasks,
} from "../../execution/unattended.ts";
import { wakeAt } from "../../execution/wake.ts";
import { type Approval, ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Store } from "../../store/store.ts";
import { decodeApproval, endOf } from "../approvals/approval-record.ts";
import type { InlineWorker } from "../dispatch.ts";
import type { Runs } from "../runs.ts";
import type { Transfer } from "../transfer.ts";
import { type Check, type Finding, overdueAfter } from "./finding.ts";
import { wakeOverdue } from "./overdue-runs.ts";
import { nextTurn, repair } from "./repair.ts";
import type { RunningRuns } from "./running-runs.ts";

const pageMax = 200;

/** Looks whether everything that open runs wait for is still on its way: their wake-ups, tasks, effects and approvals. */
export function openRuns(deps: {
  readonly running: RunningRuns;
  readonly store: Pick<Store, "hasTask" | "readApproval">;
  readonly runs: Pick<Runs<InlineWorker>, "transact">;
  readonly transfer: Pick<Transfer, "isPending">;
}): Check {
  const { running, store, runs, transfer } = deps;

  async function wakeUp(state: MutableState, now: EpochMs): Promise<readonly Finding[]> {
    const due = wakeAt(state);
    return due === null || due > now - overdueAfter ? [] : [await wakeOverdue(runs, state.key, due)];
  }

  async function offerLost(state: MutableState, now: EpochMs): Promise<readonly Finding[]> {
    const findings: Finding[] = [];
    for (const task of waitingTasks(state)) {
      const { type, scheduledEventId, since } = task;
      if (since > now - overdueAfter || (await store.hasTask({ run: state.key, type, scheduledEventId }))) continue;
      if (await repair(runs, state.key, (draft) => offerAgain(draft, task)))
        findings.push({
          kind: "lost-task",
          outcome: "repaired",
          run: state.key,
          detail: `${type} task of event ${scheduledEventId} is due again`,
          since,
        });
    }
    return findings;
  }

  async function sendLost(state: MutableState, now: EpochMs): Promise<readonly Finding[]> {
    const findings: Finding[] = [];
    for (const eventId of departing(state)) {
      if (transfer.isPending(state.key, eventId)) continue;
      await nextTurn();
      if (await repair(runs, state.key, (draft) => !transfer.isPending(state.key, eventId) && departAgain(draft, eventId)))
        findings.push({
          kind: "lost-departure",
          outcome: "repaired",
          run: state.key,
          detail: `what event ${eventId} initiated leaves again`,
          since: now,
        });
    }
    return findings;
  }

  async function endLost(state: MutableState, now: EpochMs): Promise<readonly Finding[]> {
    const findings: Finding[] = [];
    for (const held of heldActions(state)) {
      const { approvalId, since } = held.hold;
      if (since > now - overdueAfter) continue;
      const stored = await store.readApproval(approvalId);
      const approval = stored === null ? null : decodeApproval(stored);
      if (approval?.status === ApprovalStatus.PENDING) continue;
      const isOpen = approval === null || approval.status === ApprovalStatus.GRANTED;
      if (await repair(runs, state.key, (draft) => (isOpen ? decideHeldAgain(draft, held) : refuseHeld(draft, held, approval))))
        findings.push({
          kind: "lost-approval",
          outcome: "repaired",
          run: state.key,
          detail: isOpen
            ? `what event ${held.eventId} asked for is decided again: approval \`${approvalId}\` ${approval === null ? "is not there" : "is granted"}`
            : `what event ${held.eventId} asked for is refused: approval \`${approvalId}\` has ended`,
          since,
        });
    }
    return findings;
  }

  return async (now) => {
    const { states } = await running.next(pageMax);
    const findings: Finding[] = [];
    for (const state of states) for (const look of [wakeUp, offerLost, sendLost, endLost]) findings.push(...(await look(state, now)));
    return findings;
  };
}

/** People did not agree, in whatever way: the action ends as it does when they say so. */
function refuseHeld(draft: Draft, { eventId, hold }: HeldAction, approval: Approval): boolean {
  const action = pendingAction(draft, eventId);
  if (action?.hold?.approvalId !== hold.approvalId) return false;
  const { id, closeReason, policySnapshot, jobHash } = approval;
  const reason = closeReason === "" ? "the approval has ended" : closeReason;
  const expired = approval.status === ApprovalStatus.EXPIRED;
  action.refuse(
    hold.isRequest
      ? notApprovedFailure(expired ? "ApprovalExpired" : "ApprovalRejected", reason, endOf(approval))
      : denialFailure({
          rule: hold.ruleId === "" ? null : hold.ruleId,
          reason,
          snapshot: policySnapshot,
          jobHash,
          approval: id,
          remediations: [],
        }),
  );
  return true;
}
