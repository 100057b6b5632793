import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { err, ok, type Result } from "../../base/result.ts";

/** A key of the operator's, that wraps the data keys. It never leaves the process; `fingerprint` says which it is and tells nothing of it. */
export type MasterKey = { readonly fingerprint: string; readonly key: KeyObject };

export const keyBytes = 32;

/**
 * The master keys that a configuration names, the newest first; null when it names none. `key` holds them itself; without it, `keyFile` is the name
 * of a file with them. They are written in base64 or hexadecimal, apart by commas or white space, in a file also with comments from `#` to the
 * end of the line.
 * Refused with a sentence that never holds what was given.
 */
export function readMasterKeys({
  key,
  keyFile,
}: {
  readonly key: string | null;
  readonly keyFile: string | null;
}): Result<readonly MasterKey[] | null, string> {
  if (key !== null) return masterKeysIn(key, "encryption.key");
  if (keyFile === null) return ok(null);
  try {
    return masterKeysIn(readFileSync(keyFile, "utf8").replaceAll(/#.*/g, ""), `encryption.keyFile: ${keyFile}`);
  } catch (error) {
    return err(`encryption.keyFile: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function masterKeysIn(text: string, source: string): Result<readonly MasterKey[], string> {
  const written = text.split(/[\s,]+/).filter((one) => one !== "");
  if (written.length === 0) return err(`${source}: expected a key of ${keyBytes} bytes in base64 or hexadecimal, found none`);
  const keys: MasterKey[] = [];
  for (const [index, one] of written.entries()) {
    const bytes = decoded(one);
    if (bytes === null) return err(`${source}: expected ${keyBytes} bytes in base64 or hexadecimal, which key ${index + 1} is not`);
    const key = masterKey(bytes);
    if (keys.some(({ fingerprint }) => fingerprint === key.fingerprint)) return err(`${source}: key ${index + 1} is there twice`);
    keys.push(key);
  }
  return ok(keys);
}

function decoded(text: string): Uint8Array | null {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  // 32 bytes are 43 characters and one of padding; the reader takes both alphabets.
  return /^[\w+/-]{43}=?$/.test(text) ? Buffer.from(text, "base64") : null;
}

export function masterKey(bytes: Uint8Array): MasterKey {
  const fingerprint = createHmac("sha256", bytes).update("holdfast master key").digest("hex").slice(0, 16);
  return { fingerprint, key: createSecretKey(bytes) };
}
