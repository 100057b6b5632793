import { ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Store } from "../../store/store.ts";
import { decodeApproval } from "../approvals/approval-record.ts";
import type { Namespaces } from "../namespaces.ts";
import { type Checkup, counted, examplesMax, type Symptom } from "./symptom.ts";

/** What waits for people. */
export function pendingApprovals({
  store,
  namespaces,
}: {
  readonly store: Pick<Store, "countApprovals" | "listApprovals">;
  readonly namespaces: Pick<Namespaces, "list">;
}): Checkup {
  return async () => {
    const symptoms: Symptom[] = [];
    for (const { id: namespaceId, name } of namespaces.list()) {
      const of = { namespaceId, status: ApprovalStatus.PENDING };
      const { count, oldestAt } = await store.countApprovals(of);
      const page = await store.listApprovals({ ...of, after: null, limit: examplesMax });
      const [oldest] = page.approvals.map(decodeApproval);
      if (oldest === undefined) continue;
      const { roles = [], principals = [] } = oldest.requirements?.approvers ?? {};
      const who =
        [...roles.map((role) => `role \`${role}\``), ...principals.map((id) => `\`${id}\``)].join(", ") || "anybody who says who they are";
      const expires = oldest.expiresAt === 0 ? "does not expire" : `expires at ${new Date(oldest.expiresAt).toISOString()}`;
      symptoms.push({
        kind: "approval-pending",
        severity: "warning",
        namespaceId,
        what: `${counted(count, "action")} ${count === 1 ? "waits" : "wait"} for approval, the oldest being \`${oldest.activityType}\` of workflow \`${oldest.workflowId}\``,
        since: oldestAt,
        why: `rule \`${oldest.ruleId}\` asks for it${oldest.reason === "" ? "" : ` (${oldest.reason})`}; may be decided by ${who}; ${expires}`,
        executed: "nothing of these actions: they begin when they are approved",
        safe: `decide: \`holdfast approval show ${oldest.id} --namespace ${name}\`, then \`approve\` or \`reject\`; whatever is decided takes effect once`,
        count,
        examples: page.approvals.map(({ run }) => run),
      });
    }
    return symptoms;
  };
}
