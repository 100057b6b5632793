import * as z from "zod/mini";
import type { BundleView, Seen } from "../../service/policy/policies.ts";
import type { ProblemCodes } from "./problem.ts";
import { named, textOrNull, timeOrNull } from "./schema.ts";

const time = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

const originSchema = z.enum(["file", "api"]);
export const bundleFields = {
  id: z.string(),
  enabled: z.boolean(),
  source: z.enum(["core", "secops"]),
  author: z.string(),
  message: z.string(),
  created_at: timeOrNull,
  updated_at: timeOrNull,
  version: z.string(),
  installed_at: z.null(),
  sha256: z.string(),
  origin: originSchema,
  by: textOrNull,
  signed: z.boolean(),
  in_force: z.boolean(),
  in_force_sha256: textOrNull,
};
export const bundleSchema = named("Bundle", z.object(bundleFields));
/** Of a snapshot. */
export const bundleTextSchema = named(
  "BundleText",
  z.object({ id: z.string(), content: z.string(), origin: originSchema, signature: textOrNull }),
);

/** A bundle without its text, in the words of Cordum's list; from `origin` on they are ours. */
export const bundleView = (bundle: BundleView): z.infer<typeof bundleSchema> => ({
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

export const conditionCodes: ProblemCodes = { "bad-condition": 400 };

/** The condition that `If-Match` and `If-None-Match` put; null for one that nothing here fulfils. */
export function seenIn(ifMatch: string | null, ifNoneMatch: string | null): Seen | null {
  if (ifNoneMatch !== null) return ifNoneMatch === "*" && ifMatch === null ? { kind: "absent" } : null;
  if (ifMatch === null) return { kind: "any" };
  const tag = /^"([^"]*)"$/.exec(ifMatch)?.[1];
  return tag === undefined ? null : { kind: "tag", tag };
}
