import { setTimeout as delay } from "node:timers/promises";
import { type DurationMs, minuteMs, secondMs } from "../../base/time.ts";
import { requirementsOf } from "../../governance/approval/approver.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import { type Approval, ApprovalStatus, type Approvers } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { DocumentWrite, Store, StoredDocument } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { decodeApproval } from "../approvals/approval-record.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import type { Namespaces } from "../namespaces.ts";
import { slackMessage } from "./notification.ts";
import type { PostWebhook } from "./webhook.ts";

/* People are told of an approval when it is asked for, and others when it escalates. What is still to be told is on disk with what it is about. */

/** Kind of the documents that say what is still to be told. */
const noticeKind = "approval-notice";
/** `escalation` is 0 when the approval was asked for. */
type Notice = { readonly approval: string; readonly escalation: number };

const pageMax = 100;
const backoffMin: DurationMs = secondMs;
const backoffMax: DurationMs = 5 * minuteMs;

/** Commits, with each change that asks for an approval or escalates one, that people are to be told; then says so. */
export const committingNotices = (committer: Committer, added: () => void): Committer => ({
  ...committer,
  commit: async (change) => {
    const notices = change.ledger.flatMap(noticeOf);
    if (notices.length === 0) return committer.commit(change);
    const outcome = await committer.commit({ ...change, putDocuments: [...change.putDocuments, ...notices] });
    if (outcome === "committed") added();
    return outcome;
  },
});

/** What the ledger says has happened to an approval is what people are told. */
function noticeOf({ kind, at, body }: LedgerEntry): readonly DocumentWrite[] {
  if (kind !== "approval-requested" && kind !== "approval-changed") return [];
  const { approval, change, escalation = 0 } = JSON.parse(Buffer.from(body).toString()) as Notice & { readonly change?: string };
  if (kind === "approval-changed" && change !== "escalated") return [];
  const notice: Notice = { approval, escalation };
  // Listed by id, which is the order of their times.
  const id = `${String(at).padStart(15, "0")}/${approval}/${escalation}`;
  return [{ kind: noticeKind, id, expectedVersion: 0, body: Buffer.from(JSON.stringify(notice)) }];
}

export type ApprovalNotices = {
  /** There is more to tell. */
  added(): void;
  stop(): Promise<void>;
};

/**
 * Tells, one after the other, what is still to be told, from before a restart too. A receiver that fails is tried again, with growing pauses,
 * as long as the approval is pending; one that refuses is not.
 */
export function startApprovalNotices(deps: {
  readonly store: Pick<Store, "listDocuments" | "readApproval">;
  readonly committer: Committer;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly url: URL;
  readonly post: PostWebhook;
  readonly log: Log;
}): ApprovalNotices {
  const { store, committer, namespaces, url, post, log } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  let running: Promise<void> | null = null;
  let again = false;

  async function run(): Promise<void> {
    let backoff = backoffMin;
    while (again && !signal.aborted) {
      again = false;
      const pause = await tellAll().catch((error: unknown): DurationMs => {
        log.warn("cannot tell of approvals, trying again", {}, error);
        return 0;
      });
      if (pause === null) backoff = backoffMin;
      else {
        again = true;
        await delay(Math.max(pause, backoff), undefined, { signal, ref: false }).catch(() => {});
        backoff = Math.min(backoff * 2, backoffMax);
      }
    }
    running = null;
  }

  /** Null when all is told, else for how long the receiver is to be left alone. */
  async function tellAll(): Promise<DurationMs | null> {
    for (;;) {
      const page = await store.listDocuments(noticeKind, "", pageMax);
      for (const document of page) {
        if (signal.aborted) return null;
        const pause = await tell(document);
        if (pause !== null) return pause;
        await committer.commit(changeOutsideRuns({ putDocuments: [{ ...toldOf(document), body: null }], ledger: [] }));
      }
      if (page.length === 0) return null;
    }
  }

  async function tell({ id, body }: StoredDocument): Promise<DurationMs | null> {
    const notice = JSON.parse(Buffer.from(body).toString()) as Notice;
    const stored = await store.readApproval(notice.approval);
    const approval = stored === null ? null : decodeApproval(stored);
    // Nobody is asked any more.
    if (approval?.status !== ApprovalStatus.PENDING) return null;
    const namespace = namespaces.byId(approval.namespaceId)?.name ?? "";
    const posted = await post({ url, body: JSON.stringify(messageOf(approval, notice, namespace)), idempotencyKey: id, signal });
    if (posted.ok || signal.aborted) return posted.ok ? null : 0;
    const { message, isRetryable, retryAfter = 0 } = posted.error;
    if (isRetryable) return retryAfter;
    log.error("a notice of an approval was refused", { approval: approval.id, problem: message });
    return null;
  }

  const added = () => {
    again = true;
    running ??= run();
  };
  added();
  return {
    added,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

const toldOf = ({ kind, id, version }: StoredDocument) => ({ kind, id, expectedVersion: version });

function messageOf(approval: Readonly<Approval>, { escalation }: Notice, namespace: string): object {
  const { approvers, escalations } = requirementsOf(approval);
  const asked = escalation === 0 ? approvers : escalations[escalation - 1]?.approvers;
  const what = approval.title || `${approval.activityType} needs an approval`;
  const fields: readonly (readonly [string, string])[] = [
    ["Activity", approval.activityType],
    ["Workflow", `${approval.workflowType} ${approval.workflowId}`],
    ["Namespace", namespace],
    ["Approvers", approversText(asked)],
    ["Expires", approval.expiresAt === 0 ? "never" : new Date(approval.expiresAt).toISOString()],
    ["Approval", approval.id],
  ];
  return slackMessage({
    title: shortened(escalation === 0 ? what : `Escalated: ${what}`, 150),
    text: shortened(escaped(approval.reason), 2_500),
    fields: fields.map(([label, value]) => [label, shortened(escaped(value), 1_500)]),
    severity: escalation === 0 ? "info" : "warning",
  });
}

const approversText = (approvers: Approvers | undefined): string =>
  [...(approvers?.roles ?? []).map((role) => `role ${role}`), ...(approvers?.principals ?? [])].join(" or ") || "anybody who is named";

const shortened = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max - 1)}…`);

/** What workflows and policies say must not become a mention of everybody. Source: Slack's mrkdwn. */
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
