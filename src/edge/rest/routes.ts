import { acquireLock } from "./acquire-lock.ts";
import { approve, delegate, reject, withdraw } from "./approval-act.ts";
import { backtestPolicy } from "./backtest-policy.ts";
import { bootstrap } from "./bootstrap.ts";
import { getBundleSnapshot, listBundleSnapshots } from "./bundle-snapshots.ts";
import { cancelJob } from "./cancel-job.ts";
import { cancelRun, cancelRunOfWorkflow } from "./cancel-run.ts";
import { completeLease } from "./complete-lease.ts";
import { createKey } from "./create-key.ts";
import { deleteArtifact } from "./delete-artifact.ts";
import { deleteBundle } from "./delete-bundle.ts";
import { deleteDeadLetter, deleteDeadLetters } from "./delete-dead-letter.ts";
import { deleteEndpoint } from "./delete-endpoint.ts";
import { deleteRole } from "./delete-role.ts";
import { deleteRun } from "./delete-run.ts";
import { deleteSchema } from "./delete-schema.ts";
import { deleteWorkflow } from "./delete-workflow.ts";
import { diffPolicy } from "./diff-policy.ts";
import { evaluatePolicy } from "./evaluate-policy.ts";
import { explainPolicy } from "./explain-policy.ts";
import { exportAudit } from "./export-audit.ts";
import { getApproval } from "./get-approval.ts";
import { getArtifact, getArtifactContent } from "./get-artifact.ts";
import { getAuthConfig } from "./get-auth-config.ts";
import { getBundle } from "./get-bundle.ts";
import { getConfig, getEffectiveConfig } from "./get-config.ts";
import { getDeadLetter } from "./get-dead-letter.ts";
import { getDoctor } from "./get-doctor.ts";
import { getEndpoint } from "./get-endpoint.ts";
import { getJob } from "./get-job.ts";
import { getKey } from "./get-key.ts";
import { getLock } from "./get-lock.ts";
import { getPolicySnapshot } from "./get-policy-snapshot.ts";
import { getQuotas } from "./get-quotas.ts";
import { getRole } from "./get-role.ts";
import { getRun } from "./get-run.ts";
import { getRunTimeline } from "./get-run-timeline.ts";
import { getSchema } from "./get-schema.ts";
import { getSession } from "./get-session.ts";
import { getStatus } from "./get-status.ts";
import { getTrace } from "./get-trace.ts";
import { getWorkflow } from "./get-workflow.ts";
import { heartbeatLease } from "./heartbeat-lease.ts";
import { leaseTask } from "./lease-task.ts";
import { listApprovals } from "./list-approvals.ts";
import { listArtifacts } from "./list-artifacts.ts";
import { listAudit } from "./list-audit.ts";
import { listBundles } from "./list-bundles.ts";
import { listDeadLetters, pageDeadLetters } from "./list-dead-letters.ts";
import { listEndpoints } from "./list-endpoints.ts";
import { listJobDecisions } from "./list-job-decisions.ts";
import { listJobs } from "./list-jobs.ts";
import { listKeys } from "./list-keys.ts";
import { listPolicyAudit } from "./list-policy-audit.ts";
import { listPolicyLimits } from "./list-policy-limits.ts";
import { listPolicySnapshots } from "./list-policy-snapshots.ts";
import { listRoles } from "./list-roles.ts";
import { listRuns, listRunsOfWorkflow } from "./list-runs.ts";
import { listSchemas } from "./list-schemas.ts";
import { listWorkers } from "./list-workers.ts";
import { listWorkflows } from "./list-workflows.ts";
import { makeCheckpoint } from "./make-checkpoint.ts";
import { publishPolicy, rollbackPolicy } from "./publish-policy.ts";
import { putBundle } from "./put-bundle.ts";
import { putEndpoint } from "./put-endpoint.ts";
import { queryRun } from "./query-run.ts";
import { releaseLock } from "./release-lock.ts";
import { remediateJob } from "./remediate-job.ts";
import { renewLock } from "./renew-lock.ts";
import { rerunRun } from "./rerun.ts";
import { retryDeadLetter, retryDeadLetters } from "./retry-dead-letter.ts";
import { revokeKey } from "./revoke-key.ts";
import { rotateKey } from "./rotate-key.ts";
import type { Route } from "./route.ts";
import { saveArtifact } from "./save-artifact.ts";
import { putConfig, saveConfig } from "./save-config.ts";
import { saveRole } from "./save-role.ts";
import { saveSchema } from "./save-schema.ts";
import { saveWorkflow } from "./save-workflow.ts";
import { signalRun } from "./signal-run.ts";
import { simulateBundle } from "./simulate-bundle.ts";
import { simulatePolicy } from "./simulate-policy.ts";
import { dryRunWorkflow, startRun } from "./start-run.ts";
import { streamEvents } from "./stream.ts";
import { submitJob } from "./submit-job.ts";
import { terminateRun } from "./terminate-run.ts";
import { testEndpoint } from "./test-endpoint.ts";

/** By name: `route-access.ts` says of each who may ask it. */
export const routes = {
  submitJob,
  listJobs,
  getJob,
  listJobDecisions,
  cancelJob,
  remediateJob,
  listDeadLetters,
  pageDeadLetters,
  retryDeadLetters,
  deleteDeadLetters,
  getDeadLetter,
  retryDeadLetter,
  deleteDeadLetter,
  listWorkers,
  leaseTask,
  heartbeatLease,
  completeLease,
  listEndpoints,
  putEndpoint,
  getEndpoint,
  deleteEndpoint,
  testEndpoint,
  listWorkflows,
  saveWorkflow,
  getWorkflow,
  deleteWorkflow,
  dryRunWorkflow,
  startRun,
  listRunsOfWorkflow,
  cancelRunOfWorkflow,
  listRuns,
  getRun,
  getRunTimeline,
  cancelRun,
  terminateRun,
  signalRun,
  queryRun,
  rerunRun,
  deleteRun,
  listSchemas,
  saveSchema,
  getSchema,
  deleteSchema,
  getConfig,
  saveConfig,
  putConfig,
  getEffectiveConfig,
  getLock,
  acquireLock,
  releaseLock,
  renewLock,
  saveArtifact,
  listArtifacts,
  getArtifact,
  getArtifactContent,
  deleteArtifact,
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
  getQuotas,
  getTrace,
  streamEvents,
  listAudit,
  exportAudit,
  makeCheckpoint,
  getStatus,
  getDoctor,
  getAuthConfig,
  getSession,
  bootstrap,
  createKey,
  listKeys,
  getKey,
  revokeKey,
  rotateKey,
  listRoles,
  getRole,
  saveRole,
  deleteRole,
} satisfies { readonly [name: string]: Route };

export type RouteName = keyof typeof routes;
