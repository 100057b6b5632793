import { backtestPolicy } from "./backtest-policy.ts";
import { getBundleSnapshot, listBundleSnapshots } from "./bundle-snapshots.ts";
import { delegate } from "./delegate.ts";
import { deleteBundle } from "./delete-bundle.ts";
import { diffPolicy } from "./diff-policy.ts";
import { evaluatePolicy } from "./evaluate-policy.ts";
import { explainPolicy } from "./explain-policy.ts";
import { exportAudit } from "./export-audit.ts";
import { getApproval } from "./get-approval.ts";
import { getBundle } from "./get-bundle.ts";
import { getPolicySnapshot } from "./get-policy-snapshot.ts";
import { listApprovals } from "./list-approvals.ts";
import { listAudit } from "./list-audit.ts";
import { listBundles } from "./list-bundles.ts";
import { listPolicyAudit } from "./list-policy-audit.ts";
import { listPolicyLimits } from "./list-policy-limits.ts";
import { listPolicySnapshots } from "./list-policy-snapshots.ts";
import { makeCheckpoint } from "./make-checkpoint.ts";
import { publishPolicy, rollbackPolicy } from "./publish-policy.ts";
import { putBundle } from "./put-bundle.ts";
import type { Route } from "./route.ts";
import { simulateBundle } from "./simulate-bundle.ts";
import { simulatePolicy } from "./simulate-policy.ts";
import { approve, reject } from "./vote.ts";
import { withdraw } from "./withdraw.ts";

export const routes: readonly Route[] = [
  listApprovals,
  getApproval,
  approve,
  reject,
  delegate,
  withdraw,
  evaluatePolicy,
  explainPolicy,
  simulatePolicy,
  backtestPolicy,
  listBundles,
  getBundle,
  simulateBundle,
  listBundleSnapshots,
  getBundleSnapshot,
  putBundle,
  deleteBundle,
  publishPolicy,
  rollbackPolicy,
  listPolicySnapshots,
  getPolicySnapshot,
  diffPolicy,
  listPolicyAudit,
  listPolicyLimits,
  listAudit,
  exportAudit,
  makeCheckpoint,
];
