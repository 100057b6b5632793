import { type Policy, parsePolicy } from "./policy.ts";
import { type Bundle, type Snapshot, snapshotOf } from "./snapshot.ts";

/** A policy that is known to be right. */
export function policyOf(source: string): Policy {
  const { policy, problems } = parsePolicy(source);
  if (policy === null) throw new Error(problems.map(({ line, message }) => `${line}: ${message}`).join("\n"));
  return policy;
}

export const bundle = (id: string, source: string): Bundle => ({ id, policy: policyOf(source) });

/** A snapshot of one bundle, called `main`. */
export const snapshotFrom = (source: string): Snapshot => snapshotOf([bundle("main", source)]);
