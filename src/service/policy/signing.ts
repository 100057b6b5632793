import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { err, ok, type Result } from "../../base/result.ts";
import { readPublicKey } from "../../governance/policy/signature.ts";
import type { Signing } from "./bundle-source.ts";

/** Who may sign policy bundles, from keys as a configuration has them: each a key, or the name of a file with one. */
export function readSigning({
  keys: written,
  required,
}: {
  readonly keys: readonly string[];
  readonly required: boolean;
}): Result<Signing, readonly string[]> {
  const problems = required && written.length === 0 ? ["requirePolicySignature: `policyKeys` names no key that could have signed"] : [];
  const keys: KeyObject[] = [];
  for (const text of written) {
    const key = readKey(text);
    if (key.ok) keys.push(key.value);
    else problems.push(`policyKeys: ${key.error}`);
  }
  return problems.length > 0 ? err(problems) : ok({ keys, required });
}

function readKey(written: string): Result<KeyObject, string> {
  const key = readPublicKey(written);
  if (key.ok || written.includes("-----BEGIN")) return key;
  try {
    const ofFile = readPublicKey(readFileSync(written, "utf8"));
    return ofFile.ok ? ofFile : err(`${written}: ${ofFile.error}`);
  } catch {
    return err(`\`${written}\` is neither an Ed25519 public key nor a file that can be read`);
  }
}
