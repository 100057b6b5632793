import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { UsageError } from "./context.ts";

/** Ed25519 public keys from files. */
export async function publicKeysIn(files: readonly string[]): Promise<readonly KeyObject[]> {
  const { readPublicKey } = await import("../governance/policy/signature.ts");
  return files.map((file) => {
    const key = readPublicKey(textOf(file));
    if (!key.ok) throw new UsageError([`${file}: ${key.error}`]);
    return key.value;
  });
}

/** An Ed25519 private key from a file. */
export async function privateKeyIn(file: string): Promise<KeyObject> {
  const { readPrivateKey } = await import("../governance/policy/signature.ts");
  const key = readPrivateKey(textOf(file));
  if (!key.ok) throw new UsageError([`${file}: ${key.error}`]);
  return key.value;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError([`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}
