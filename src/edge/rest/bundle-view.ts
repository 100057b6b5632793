import type { BundleView, Seen } from "../../service/policy/policies.ts";

const time = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

/** A bundle without its text, in the words of Cordum's list; from `origin` on they are ours. */
export const bundleView = (bundle: BundleView) => ({
  id: bundle.id,
  enabled: bundle.enabled,
  source: bundle.origin === "file" ? "core" : "secops",
  author: bundle.author,
  message: bundle.message,
  created_at: time(bundle.createdAt),
  updated_at: time(bundle.updatedAt),
  version: "",
  installed_at: null,
  sha256: bundle.sha256,
  origin: bundle.origin,
  by: bundle.by?.id ?? null,
  signed: bundle.signature !== null,
  in_force: bundle.inForce === bundle.sha256,
  in_force_sha256: bundle.inForce,
});

export const etagOf = ({ tag }: BundleView): string => `"${tag}"`;

/** In a path, `/` of a bundle id may be written `~`. */
export const bundleIdIn = (parameter: string): string => parameter.replaceAll("~", "/");

/** The condition that `If-Match` and `If-None-Match` put; null for one that nothing here fulfils. */
export function seenIn(ifMatch: string | null, ifNoneMatch: string | null): Seen | null {
  if (ifNoneMatch !== null) return ifNoneMatch === "*" && ifMatch === null ? { kind: "absent" } : null;
  if (ifMatch === null) return { kind: "any" };
  const tag = /^"([^"]*)"$/.exec(ifMatch)?.[1];
  return tag === undefined ? null : { kind: "tag", tag };
}
