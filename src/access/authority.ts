import type { Permission } from "./permission.ts";
import { type AccessPrincipal, type Grant, matchesName } from "./principal.ts";
import type { PermissionsOfRole } from "./role.ts";

/** What one principal may do, as the roles are now. */
export type Authority = {
  allows(permission: Permission, namespace: string): boolean;
  /** In every namespace, also in those that there are not yet: for what belongs to none. */
  allowsEverywhere(permission: Permission): boolean;
  /** In all that the patterns can name. */
  allowsWithin(permission: Permission, patterns: readonly string[]): boolean;
  /** Whether it has any right in a namespace: what it may not know of does not exist for it. */
  sees(namespace: string): boolean;
  /** The roles that it acts in there. */
  rolesIn(namespace: string): readonly string[];
  mayPoll(taskQueue: string): boolean;
  /** The first thing in what is to be given that goes beyond what this principal has itself; null when nothing does. */
  exceeds(given: Pick<AccessPrincipal, "grants" | "taskQueues">): string | null;
};

/** Namespaces whose permissions are kept; more are worked out anew. */
const rememberedMax = 1_000;

/** Source: the table of roles in `role.ts`. Several grants add up; none takes away. */
export function authorityOf(
  { grants, taskQueues }: Pick<AccessPrincipal, "grants" | "taskQueues">,
  permissionsOf: PermissionsOfRole,
): Authority {
  const remembered = new Map<string, ReadonlySet<Permission>>();
  const everywhere = new Set(grants.filter(({ namespaces }) => namespaces.includes("*")).flatMap(({ roles }) => permissionsIn(roles)));

  function permissionsIn(roles: readonly string[]): readonly Permission[] {
    return roles.flatMap((role) => permissionsOf(role) ?? []);
  }

  function within(namespace: string): ReadonlySet<Permission> {
    const known = remembered.get(namespace);
    if (known !== undefined) return known;
    const granted = new Set(grantsIn(grants, namespace).flatMap(({ roles }) => permissionsIn(roles)));
    if (remembered.size < rememberedMax) remembered.set(namespace, granted);
    return granted;
  }

  /** Whether the grants give a permission in all that a pattern can name. */
  const covers = (pattern: string, permission: Permission): boolean =>
    grants.some(({ namespaces, roles }) => coversPattern(namespaces, pattern) && permissionsIn(roles).includes(permission));

  return {
    allows: (permission, namespace) => within(namespace).has(permission),
    allowsEverywhere: (permission) => everywhere.has(permission),
    allowsWithin: (permission, patterns) => patterns.every((pattern) => covers(pattern, permission)),
    sees: (namespace) => within(namespace).size > 0,
    rolesIn: (namespace) => [...new Set(grantsIn(grants, namespace).flatMap(({ roles }) => roles))],
    mayPoll: (taskQueue) => taskQueues === null || matchesName(taskQueues, taskQueue),
    exceeds: (given) => {
      for (const { namespaces, roles } of given.grants)
        for (const role of roles)
          for (const namespace of namespaces)
            for (const permission of permissionsOf(role) ?? []) if (!covers(namespace, permission)) return `${permission} in ${namespace}`;
      if (taskQueues === null) return null;
      if (given.taskQueues === null) return "tasks of every task queue";
      const foreign = given.taskQueues.find((queue) => !coversPattern(taskQueues, queue));
      return foreign === undefined ? null : `tasks of ${foreign}`;
    },
  };
}

const grantsIn = (grants: readonly Grant[], namespace: string): readonly Grant[] =>
  grants.filter(({ namespaces }) => matchesName(namespaces, namespace));

/** Whether the patterns name all that another pattern does. */
const coversPattern = (patterns: readonly string[], wanted: string): boolean =>
  patterns.some((pattern) => (pattern.endsWith("*") ? wanted.startsWith(pattern.slice(0, -1)) : pattern === wanted));
