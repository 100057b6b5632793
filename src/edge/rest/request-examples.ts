// A body for each route that takes one, as its document shows it. Routes are named by method and path, as they state them.

const definition = `id: incident-remediation
steps:
  detect: { topic: job.incident.detect }
  gate: { type: approval, depends_on: [detect] }
  apply: { topic: job.incident.patch.apply, depends_on: [gate], retries: { max_attempts: 2, backoff_ms: 5000 } }
`;
const bundle = `version: v1
rules:
  - { id: large-refunds, match: { topic: activity.refund }, when: input.amount > 100, decision: REQUIRE_APPROVAL }
`;
const lease = "CAISJDUwMmY";
const action = {
  topic: "job.deploy.apply",
  labels: { env: "prod" },
  meta: { actor_id: "ada", actor_type: "human", capability: "deploy", risk_tags: ["prod"] },
};
const because = { reason: "not needed any more" };
const vote = { reason: "spoke to the customer" };
const v1 = "/api/v1";

/** As JSON; a definition is a text of YAML. */
export const requestExamples: { readonly [route: string]: unknown } = {
  [`POST ${v1}/jobs`]: {
    ...{ topic: "job.greet", input: { name: "Ada" }, labels: { team: "core" } },
    ...{ priority: "interactive", timeout_ms: 60_000, retries: { max_attempts: 3, backoff_ms: 1000 } },
  },
  [`POST ${v1}/jobs/:id/remediate`]: { remediation_id: "staging-first" },
  [`POST ${v1}/workers/lease`]: { task_queue: "job.greet", worker_id: "worker-1", wait_ms: 30_000 },
  [`POST ${v1}/workers/heartbeat`]: { lease, details: { done: 40 } },
  [`POST ${v1}/workers/complete`]: { lease, result: { greeting: "Hello!" } },
  [`POST ${v1}/auth/bootstrap`]: { token: "W4yQmXkT0pV2sN8rJc6hLdZbUf1gAoEi3xYtKqRnMwS" },
  [`POST ${v1}/auth/keys`]: {
    ...{ name: "ci", grants: [{ namespaces: ["orders"], roles: ["worker"] }] },
    ...{ task_queues: ["orders-*"], expires_in: "90d" },
  },
  [`POST ${v1}/auth/keys/:id/rotate`]: { overlap: "24h" },
  [`PUT ${v1}/auth/roles/:name`]: { permissions: ["jobs.read", "jobs.write"] },
  [`PUT ${v1}/endpoints/:id`]: { task_queues: "job.deploy.*", url: "https://deploys.example.com/tasks" },
  [`POST ${v1}/workflows`]: definition,
  [`POST ${v1}/workflows/:id/dry-run`]: { input: { incident_id: "INC-7781" } },
  [`POST ${v1}/workflows/:id/runs`]: { input: { incident_id: "INC-7781" }, labels: { team: "core" } },
  [`POST ${v1}/workflows/:workflow/runs/:id/cancel`]: because,
  [`POST ${v1}/workflow-runs/:id/cancel`]: because,
  [`POST ${v1}/workflow-runs/:id/terminate`]: because,
  [`POST ${v1}/workflow-runs/:id/signal`]: { name: "payment-received", payload: { amount: 250 } },
  [`POST ${v1}/workflow-runs/:id/query`]: { query: "step", args: "detect" },
  [`POST ${v1}/workflow-runs/:id/rerun`]: { from_step: "apply" },
  [`POST ${v1}/schemas`]: { id: "acme/order", schema: { type: "object", required: ["order"] } },
  [`POST ${v1}/config`]: { scope: "org", scope_id: "acme", data: { region: "eu-1" } },
  [`PUT ${v1}/config`]: { data: { region: "eu-1" } },
  [`POST ${v1}/locks/acquire`]: { resource: "db/orders", owner: "nightly", mode: "exclusive", ttl_ms: 30_000 },
  [`POST ${v1}/locks/release`]: { resource: "db/orders", owner: "nightly" },
  [`POST ${v1}/locks/renew`]: { resource: "db/orders", owner: "nightly", ttl_ms: 30_000 },
  [`POST ${v1}/artifacts`]: { content: "all is well", content_type: "text/plain", retention: "short" },
  [`POST ${v1}/approvals/:id/approve`]: vote,
  [`POST ${v1}/approvals/:id/reject`]: { reason: "wrong account" },
  [`POST ${v1}/approvals/:id/delegate`]: { to: "grace", reason: "on leave" },
  [`POST ${v1}/approvals/:id/withdraw`]: because,
  [`POST ${v1}/policy/evaluate`]: action,
  [`POST ${v1}/policy/explain`]: action,
  [`POST ${v1}/policy/simulate`]: { ...action, content: bundle },
  [`POST ${v1}/policy/backtest`]: { content: bundle, since: "2026-01-01T00:00:00Z", limit: 100 },
  [`PUT ${v1}/policy/bundles/:id`]: { content: bundle, message: "refunds above 100 need a person" },
  [`POST ${v1}/policy/bundles/:id/simulate`]: { request: action, content: bundle },
  [`POST ${v1}/policy/publish`]: { bundle_ids: ["secops/refunds"], note: "CHG-1207" },
  [`POST ${v1}/policy/rollback`]: { snapshot_id: "897450ea5c8e2a4c3f0e8d0bb6ad7f9a3a5f0c9f2d1e4b7a6c5d8e9f0a1b2c3d", note: "CHG-1207" },
};
