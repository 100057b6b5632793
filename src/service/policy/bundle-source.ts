import type { KeyObject } from "node:crypto";
import { err, ok, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import { parsePolicy } from "../../governance/policy/policy.ts";
import { checkSignature } from "../../governance/policy/signature.ts";
import { type Bundle, type Snapshot, snapshotOf } from "../../governance/policy/snapshot.ts";
import { notEnforcedYet } from "./not-enforced-yet.ts";

/** The text of a policy bundle, and where it comes from. */
export type BundleSource = {
  readonly id: string;
  readonly origin: "file" | "api";
  /** YAML or JSON. */
  readonly content: string;
  /** Ed25519 over the bytes of `content`, in base64 or hexadecimal. */
  readonly signature: string | null;
};

/** Something that keeps a bundle from being used. Line and column count from 1; both are 1 when it is about the bundle as a whole. */
export type BundleProblem = { readonly bundle: string; readonly line: number; readonly column: number; readonly message: string };

/** Who may sign bundles. With keys, a signature that is there must be by one of them; `required`, one must be there. */
export type Signing = { readonly keys: readonly KeyObject[]; readonly required: boolean };

export const unsignedAllowed: Signing = { keys: [], required: false };

/** What tells two texts of a bundle apart. */
export const contentHash = ({ content }: Pick<BundleSource, "content">): string => sha256Hex(content);

/** Compiles bundles into the snapshot that they are together; or says everything that keeps them from it. */
export function compileBundles(sources: readonly BundleSource[], signing: Signing): Result<Snapshot, readonly BundleProblem[]> {
  const read = sources.map((source) => ({ source, ...readBundle(source, signing) }));
  const problems = read.flatMap((one) => one.problems);
  const bundles = read.flatMap(({ bundle }) => (bundle === null ? [] : [bundle]));
  return problems.length > 0 ? err(problems) : ok(snapshotOf(bundles));
}

/** A bundle whose signature, text and demands are right; or null with what is wrong. */
export function readBundle(
  source: BundleSource,
  signing: Signing,
): { readonly bundle: Bundle | null; readonly problems: readonly BundleProblem[] } {
  const { id, content } = source;
  const whole = (message: string): BundleProblem => ({ bundle: id, line: 1, column: 1, message });
  const unsigned = signatureProblem(source, signing);
  if (unsigned !== null) return { bundle: null, problems: [whole(unsigned)] };
  const { policy, problems } = parsePolicy(content);
  const errors = problems.filter(({ severity }) => severity === "error");
  const missing = policy === null ? [] : notEnforcedYet(policy);
  const found = [
    ...errors.map(({ line, column, message }) => ({ bundle: id, line, column, message })),
    ...missing.map((what) => whole(`${what} is not enforced by this server yet`)),
  ];
  return policy === null || found.length > 0 ? { bundle: null, problems: found } : { bundle: { id, policy }, problems: [] };
}

function signatureProblem({ content, signature }: BundleSource, { keys, required }: Signing): string | null {
  if (signature === null) return required ? "the bundle is not signed, and `requirePolicySignature` wants it to be" : null;
  if (keys.length === 0) return null;
  const checked = checkSignature(Buffer.from(content), signature, keys);
  return checked.ok ? null : checked.error;
}
