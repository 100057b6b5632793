import { canonicalJson } from "../../base/canonical-json.ts";
import { keyOf } from "../../language/reader.ts";
import { emptyPolicy, type Rule } from "./policy.ts";
import type { Bundle, Snapshot } from "./snapshot.ts";

export type Change = {
  readonly kind: "added" | "removed" | "changed" | "moved";
  /** What: ``rule `no-prod` ``, `limits`, `mode`. */
  readonly what: string;
  readonly bundle: string;
  /** The fields that differ, each as canonical JSON; absent is null. */
  readonly fields: readonly { readonly field: string; readonly before: string | null; readonly after: string | null }[];
};

/** What turns one snapshot into the other. Empty exactly when their hashes are equal. */
export function diff(before: Snapshot, after: Snapshot): readonly Change[] {
  const old = new Map(before.bundles.map((bundle) => [bundle.id, bundle]));
  const now = new Map(after.bundles.map((bundle) => [bundle.id, bundle]));
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((id) => bundleDiff(id, old.get(id), now.get(id)));
}

function bundleDiff(id: string, before: Bundle | undefined, after: Bundle | undefined): readonly Change[] {
  const whole = { bundle: id, what: "bundle", fields: [] };
  const changes = [...fieldDiff(id, before, after), ...ruleDiff(id, rulesOf(before), rulesOf(after))];
  if (before === undefined) return [{ ...whole, kind: "added" }, ...changes];
  if (after === undefined) return [{ ...whole, kind: "removed" }, ...changes];
  return changes;
}

type Fields = { readonly [field: string]: unknown };

/** Everything but rules; of a bundle that is not there, nothing differs from its defaults. */
function fieldDiff(bundle: string, before: Bundle | undefined, after: Bundle | undefined): readonly Change[] {
  return differing(fieldsOf(before), fieldsOf(after)).map((field) => ({
    kind: isEmpty(field.before) ? "added" : isEmpty(field.after) ? "removed" : "changed",
    what: field.field,
    bundle,
    fields: [field],
  }));
}

function fieldsOf(bundle: Bundle | undefined): Fields {
  const { rules: _, tests: __, description: ___, ...rest } = bundle?.policy ?? emptyPolicy;
  return rest;
}

const isEmpty = (text: string | null): boolean => text === null || ["null", "[]", "{}", '""'].includes(text);

const rulesOf = (bundle: Bundle | undefined): readonly Rule[] => bundle?.policy.rules.filter(({ enabled }) => enabled) ?? [];

function ruleDiff(bundle: string, before: readonly Rule[], after: readonly Rule[]): readonly Change[] {
  const old = new Map(before.map((rule) => [rule.id, rule]));
  const now = new Map(after.map((rule) => [rule.id, rule]));
  const moved = movedIds(
    before.filter(({ id }) => now.has(id)).map(({ id }) => id),
    after.filter(({ id }) => old.has(id)).map(({ id }) => id),
  );
  const change = (kind: Change["kind"], id: string, fields: Change["fields"]): Change => ({ kind, what: `rule \`${id}\``, bundle, fields });
  return [
    ...before.filter(({ id }) => !now.has(id)).map(({ id }) => change("removed", id, [])),
    ...after.flatMap((rule): readonly Change[] => {
      const earlier = old.get(rule.id);
      if (earlier === undefined) return [change("added", rule.id, [])];
      const fields = differing(contentOf(earlier), contentOf(rule));
      return [
        ...(fields.length > 0 ? [change("changed", rule.id, fields)] : []),
        ...(moved.has(rule.id) ? [change("moved", rule.id, [])] : []),
      ];
    }),
  ];
}

function contentOf({ line: _, description: __, ...rule }: Rule): Fields {
  return rule;
}

function differing(before: Fields, after: Fields): Change["fields"] {
  const text = (value: unknown): string | null => (value === undefined ? null : canonicalJson(value));
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((field) => ({ field: keyOf(field), before: text(before[field]), after: text(after[field]) }))
    .filter((one) => one.before !== one.after);
}

/** The rules that stand elsewhere among those that stayed: taking them out leaves both orders equal. */
function movedIds(before: readonly string[], after: readonly string[]): ReadonlySet<string> {
  const rank = new Map(before.map((id, index) => [id, index]));
  const ranks = after.map((id) => rank.get(id) ?? 0);
  // The longest rising run of ranks stays in place (patience sorting).
  const lows: number[] = [];
  const previous: number[] = [];
  for (const [index, value] of ranks.entries()) {
    let at = lows.length;
    while (at > 0 && (ranks[lows[at - 1] ?? 0] ?? 0) > value) at--;
    previous[index] = at === 0 ? -1 : (lows[at - 1] ?? -1);
    lows[at] = index;
  }
  const kept = new Set<string>();
  for (let index = lows.at(-1) ?? -1; index >= 0; index = previous[index] ?? -1) kept.add(after[index] ?? "");
  return new Set(after.filter((id) => !kept.has(id)));
}
