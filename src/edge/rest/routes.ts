import { evaluatePolicy } from "./evaluate-policy.ts";
import { explainPolicy } from "./explain-policy.ts";
import { exportAudit } from "./export-audit.ts";
import { getApproval } from "./get-approval.ts";
import { listApprovals } from "./list-approvals.ts";
import { listAudit } from "./list-audit.ts";
import { listPolicySnapshots } from "./list-policy-snapshots.ts";
import type { Route } from "./route.ts";
import { simulatePolicy } from "./simulate-policy.ts";
import { approve, reject } from "./vote.ts";

export const routes: readonly Route[] = [
  listApprovals,
  getApproval,
  approve,
  reject,
  evaluatePolicy,
  explainPolicy,
  simulatePolicy,
  listPolicySnapshots,
  listAudit,
  exportAudit,
];
