import { type BuiltInRoleName, builtInRoleNames } from "../../src/access/role.ts";
import { foreign, nowhere, own } from "./access-server.ts";

// What the tables of this folder say, and what follows from it. Nothing here asks the code under test.

type Mark = "x" | ".";
/** One mark for each role, in the order of `builtInRoleNames`: admin operator developer approver auditor worker. */
export type Marks = `${Mark}${Mark}${Mark}${Mark}${Mark}${Mark}`;

/** Who may do something: whoever proves who they are; those roles, where they are given; or those that are given in all namespaces. */
export type Who = "everybody" | { readonly inNamespace: Marks } | { readonly everywhere: Marks };

export const marked = (marks: Marks, role: BuiltInRoleName): boolean => marks[builtInRoleNames.indexOf(role)] === "x";

export const targets = [own, foreign, nowhere] as const;
export type Target = (typeof targets)[number];

/** A role, in the namespace `own` alone or in all of them. */
export type Grantee = { readonly role: BuiltInRoleName; readonly reach: "own" | "all" };
export const grantees: readonly Grantee[] = builtInRoleNames.flatMap((role) => [
  { role, reach: "own" },
  { role, reach: "all" },
]);

export function isAllowed(who: Who, { role, reach }: Grantee, target: Target): boolean {
  if (who === "everybody") return true;
  if ("everywhere" in who) return reach === "all" && marked(who.everywhere, role);
  return marked(who.inNamespace, role) && (reach === "all" || target === own);
}

/** For reports: one line for each grantee and target. */
export const titleOf = ({ role, reach }: Grantee, target: Target): string =>
  `${role} of ${reach === "own" ? own : "all namespaces"} → ${target}`;
