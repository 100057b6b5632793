import type { Quota } from "../../governance/limits/limits.ts";
import type { Taken } from "../../governance/limits/tally.ts";

/* What is stored of limits. Keys of budgets are stored as they are, see `quotasOf`. */

/** What an attempt took, as stored: JSON with the limits as they were when it took of them. */
export const encodeHolding = ({ attempt, taken }: { readonly attempt: number; readonly taken: readonly Taken[] }): Uint8Array =>
  Buffer.from(JSON.stringify({ attempt, taken }));

/** What `encodeHolding` wrote. */
export const decodeHolding = (body: Uint8Array): { readonly attempt: number; readonly taken: readonly Taken[] } =>
  JSON.parse(Buffer.from(body).toString("utf8"));

type SpendQuota = Extract<Quota, { kind: "spend" }>;
const units: ReadonlySet<string> = new Set<SpendQuota["limit"]["unit"]>(["tokens", "money", "actions"]);

/** The budget that a key names, with no upper bound until a policy says one; null for a key of another kind. */
export function budgetFromKey(key: string): SpendQuota | null {
  const [kind, tenant, source, by, unit, per]: unknown[] = JSON.parse(key);
  if (kind !== "spend" || typeof tenant !== "string" || typeof source !== "string" || typeof by !== "string") return null;
  if (typeof per !== "number" || typeof unit !== "string" || !units.has(unit)) return null;
  const limit = {
    unit: unit as SpendQuota["limit"]["unit"],
    max: Number.POSITIVE_INFINITY,
    by: by.slice(0, by.indexOf("=")),
    per: per || null,
  };
  return { kind: "spend", key, tenant, source, by, limit };
}
