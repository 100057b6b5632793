import * as z from "zod/mini";
import type { Permission } from "../../access/permission.ts";
import type { RouteAccess } from "./access.ts";
import type { RouteName } from "./routes.ts";

const inTenant = (...permissions: readonly Permission[]): RouteAccess => ({ to: "tenant", permissions });
const everywhere = (permission: Permission): RouteAccess => ({ to: "everywhere", permission });

const forQueue = z.object({ task_queue: z.optional(z.string()), topic: z.optional(z.string()) });
const queueIn = (body: unknown): string => {
  const read = forQueue.safeParse(body);
  return read.success ? (read.data.task_queue ?? read.data.topic ?? "") : "";
};

const runPayloads = ["input", "context", "output", "item", "config"] as const;

/** Every route has its row, or this does not compile. */
export const routeAccess: { readonly [R in RouteName]: RouteAccess } = {
  submitJob: inTenant("jobs.write"),
  listJobs: inTenant("jobs.read"),
  getJob: { to: "tenant", permissions: ["jobs.read"], payloads: ["context", "result", "error_details"] },
  listJobDecisions: inTenant("jobs.read"),
  cancelJob: inTenant("jobs.write"),
  remediateJob: inTenant("jobs.write"),
  listDeadLetters: inTenant("jobs.read"),
  pageDeadLetters: inTenant("jobs.read"),
  retryDeadLetters: inTenant("jobs.write"),
  deleteDeadLetters: inTenant("jobs.write"),
  getDeadLetter: inTenant("jobs.read"),
  retryDeadLetter: inTenant("jobs.write"),
  deleteDeadLetter: inTenant("jobs.write"),
  listWorkers: inTenant("jobs.read"),
  leaseTask: { to: "tenant", permissions: ["tasks.work"], taskQueue: queueIn, payloads: ["input", "headers", "heartbeat_details"] },
  /** A lease is the proof that the task was given to whoever answers it. */
  heartbeatLease: inTenant("tasks.work"),
  completeLease: inTenant("tasks.work"),
  listEndpoints: inTenant("config.read"),
  putEndpoint: inTenant("config.write"),
  getEndpoint: inTenant("config.read"),
  deleteEndpoint: inTenant("config.write"),
  testEndpoint: inTenant("config.write"),

  listWorkflows: inTenant("workflows.read"),
  saveWorkflow: inTenant("workflows.write"),
  getWorkflow: inTenant("workflows.read"),
  deleteWorkflow: inTenant("workflows.delete"),
  dryRunWorkflow: { to: "tenant", permissions: ["workflows.write"], payloads: runPayloads },
  startRun: { to: "tenant", permissions: ["workflows.write"], payloads: runPayloads },
  listRunsOfWorkflow: inTenant("workflows.read"),
  cancelRunOfWorkflow: inTenant("workflows.write"),
  listRuns: inTenant("workflows.read"),
  getRun: { to: "tenant", permissions: ["workflows.read"], payloads: runPayloads },
  getRunTimeline: { to: "tenant", permissions: ["workflows.read"], payloads: ["data"] },
  cancelRun: inTenant("workflows.write"),
  terminateRun: inTenant("workflows.write"),
  signalRun: inTenant("workflows.write"),
  queryRun: { to: "tenant", permissions: ["workflows.read"], payloads: ["result"] },
  rerunRun: { to: "tenant", permissions: ["workflows.write"], payloads: runPayloads },
  deleteRun: inTenant("workflows.delete"),
  getTrace: inTenant("workflows.read"),
  streamEvents: inTenant("workflows.read"),

  listSchemas: inTenant("schemas.read"),
  saveSchema: inTenant("schemas.write"),
  getSchema: inTenant("schemas.read"),
  deleteSchema: inTenant("schemas.write"),
  getConfig: inTenant("config.read"),
  saveConfig: inTenant("config.write"),
  putConfig: inTenant("config.write"),
  getEffectiveConfig: inTenant("config.read"),
  getLock: inTenant("locks.read"),
  acquireLock: inTenant("locks.write"),
  releaseLock: inTenant("locks.write"),
  renewLock: inTenant("locks.write"),
  saveArtifact: inTenant("artifacts.write"),
  listArtifacts: inTenant("artifacts.read"),
  getArtifact: inTenant("artifacts.read"),
  getArtifactContent: inTenant("artifacts.read"),
  deleteArtifact: inTenant("artifacts.write"),

  listApprovals: inTenant("approvals.read"),
  getApproval: inTenant("approvals.read"),
  approve: inTenant("approvals.decide"),
  reject: inTenant("approvals.decide"),
  delegate: inTenant("approvals.decide"),
  /** Only whoever asked, or started the workflow that asks, takes a request back. */
  withdraw: inTenant("workflows.write", "jobs.write", "approvals.decide"),

  evaluatePolicy: inTenant("policy.evaluate", "policy.read"),
  explainPolicy: inTenant("policy.read"),
  simulatePolicy: inTenant("policy.read"),
  backtestPolicy: inTenant("policy.read"),
  listPolicyLimits: inTenant("policy.read"),
  getQuotas: inTenant("namespaces.read"),
  // One policy is in force for all tenants.
  listBundles: everywhere("policy.read"),
  getBundle: everywhere("policy.read"),
  simulateBundle: everywhere("policy.read"),
  listBundleSnapshots: everywhere("policy.read"),
  getBundleSnapshot: everywhere("policy.read"),
  listPolicySnapshots: everywhere("policy.read"),
  getPolicySnapshot: everywhere("policy.read"),
  diffPolicy: everywhere("policy.read"),
  listPolicyAudit: everywhere("policy.read"),
  putBundle: everywhere("policy.write"),
  deleteBundle: everywhere("policy.write"),
  publishPolicy: everywhere("policy.write"),
  rollbackPolicy: everywhere("policy.write"),

  listAudit: inTenant("audit.read"),
  exportAudit: inTenant("audit.read"),
  makeCheckpoint: everywhere("audit.write"),
  getStatus: everywhere("system.read"),
  getDoctor: everywhere("system.read"),

  getAuthConfig: { to: "public" },
  getSession: { to: "everybody" },
  /** The token is the proof. */
  bootstrap: { to: "public" },
  // What goes beyond the rights of whoever asks is refused where keys are kept.
  createKey: inTenant("keys.write"),
  listKeys: inTenant("keys.read"),
  getKey: inTenant("keys.read"),
  revokeKey: inTenant("keys.write"),
  rotateKey: inTenant("keys.write"),
  listRoles: inTenant("roles.read"),
  getRole: inTenant("roles.read"),
  // A role may be given in any tenant.
  saveRole: everywhere("roles.write"),
  deleteRole: everywhere("roles.write"),
};
