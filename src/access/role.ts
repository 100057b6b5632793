import { type Permission, permissions } from "./permission.ts";

export const builtInRoleNames = ["admin", "operator", "developer", "approver", "auditor", "worker"] as const;
export type BuiltInRoleName = (typeof builtInRoleNames)[number];

const worker = [
  "namespaces.read",
  "tasks.work",
  "payloads.read",
  "policy.evaluate",
  "locks.read",
  "locks.write",
  "artifacts.read",
  "artifacts.write",
] as const satisfies readonly Permission[];

const developer = [
  ...worker,
  "workflows.read",
  "workflows.write",
  "workflows.delete",
  "jobs.read",
  "jobs.write",
  "workers.read",
  "approvals.read",
  "policy.read",
  "schemas.read",
  "schemas.write",
  "config.read",
] as const satisfies readonly Permission[];

const operator = [
  "namespaces.read",
  "namespaces.write",
  "workflows.read",
  "workflows.write",
  "workflows.delete",
  "jobs.read",
  "jobs.write",
  "payloads.read",
  "workers.read",
  "approvals.read",
  "policy.read",
  "policy.evaluate",
  "audit.read",
  "schemas.read",
  "schemas.write",
  "locks.read",
  "locks.write",
  "artifacts.read",
  "config.read",
  "config.write",
  "system.read",
] as const satisfies readonly Permission[];

/** Sees everything that is no secret and no payload, and changes nothing. */
const auditor = permissions.filter(
  (permission) => permission.endsWith(".read") && permission !== "payloads.read" && permission !== "artifacts.read",
);

/** Roles that every server has, and nobody changes. */
export const builtInRoles: { readonly [R in BuiltInRoleName]: readonly Permission[] } = {
  admin: permissions,
  operator,
  developer,
  approver: ["namespaces.read", "workflows.read", "jobs.read", "approvals.read", "approvals.decide", "policy.read"],
  auditor,
  worker,
};

/** What a role allows; null for a role that there is not. */
export type PermissionsOfRole = (name: string) => readonly Permission[] | null;

export const isBuiltInRole = (name: string): name is BuiltInRoleName => Object.hasOwn(builtInRoles, name);
