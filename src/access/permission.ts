/**
 * What somebody may be allowed to do, each in a namespace: a resource and a verb. What belongs to no namespace, such as registering one, needs
 * the permission in all of them.
 */
export const permissions = [
  /** Describe and list namespaces, their search attributes and limits. */
  "namespaces.read",
  "namespaces.write",
  /** See executions, runs, their histories and definitions; watch and query them. */
  "workflows.read",
  /** Start, signal, update, cancel, terminate, rerun; send definitions. */
  "workflows.write",
  "workflows.delete",
  "jobs.read",
  /** Submit, cancel and remediate jobs, and see to dead letters. */
  "jobs.write",
  /** Inputs, results and whatever else clients encode. Without it, they are hidden. */
  "payloads.read",
  /** Take tasks and answer them. */
  "tasks.work",
  /** See task queues and who polls them. */
  "workers.read",
  /** See what waits for a decision, with the inputs of exactly that. */
  "approvals.read",
  /** Grant, reject and delegate. */
  "approvals.decide",
  "policy.read",
  /** Draft, publish and roll back. */
  "policy.write",
  /** Ask for a decision on an action before it is taken. */
  "policy.evaluate",
  "audit.read",
  /** Seal the ledger with a checkpoint. */
  "audit.write",
  "schemas.read",
  "schemas.write",
  "locks.read",
  "locks.write",
  "artifacts.read",
  "artifacts.write",
  "config.read",
  "config.write",
  "keys.read",
  "keys.write",
  "roles.read",
  "roles.write",
  /** The server itself: its status, and what the doctor finds. */
  "system.read",
] as const;
export type Permission = (typeof permissions)[number];

export const isPermission = (text: string): text is Permission => permissions.some((permission) => permission === text);
