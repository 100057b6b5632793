import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { err, ok, type Result } from "../../base/result.ts";

/** What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410). */
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");
const keyBytes = 32;
const signatureBytes = 64;

/** Reads an Ed25519 public key: PEM, or its 32 bytes in base64 or hexadecimal. */
export function readPublicKey(written: string): Result<KeyObject, string> {
  try {
    const raw = written.includes("-----BEGIN") ? null : bytesOf(written, keyBytes);
    if (raw === undefined) return err(`a public key is PEM, or ${keyBytes} bytes in base64 or hexadecimal`);
    const key =
      raw === null ? createPublicKey(written) : createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: "der", type: "spki" });
    return key.asymmetricKeyType === "ed25519" ? ok(key) : err(`expected an Ed25519 key, not ${key.asymmetricKeyType}`);
  } catch {
    return err("the public key cannot be read");
  }
}

/** Reads an Ed25519 private key: PEM, not encrypted. */
export function readPrivateKey(pem: string): Result<KeyObject, string> {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === "ed25519" ? ok(key) : err(`expected an Ed25519 key, not ${key.asymmetricKeyType}`);
  } catch {
    return err("a private key is PEM, and not encrypted");
  }
}

/** Whether one of the keys has signed exactly these bytes. The signature is written in base64 or hexadecimal, as in `<file>.sig`. */
export function checkSignature(content: Uint8Array, signature: string, keys: readonly KeyObject[]): Result<KeyObject, string> {
  const bytes = bytesOf(signature, signatureBytes);
  if (bytes === undefined) return err(`a signature is ${signatureBytes} bytes in base64 or hexadecimal`);
  const signer = keys.find((key) => verify(null, content, key, bytes));
  return signer === undefined
    ? err("the signature is by none of the given keys, or the bundle was changed after it was signed")
    : ok(signer);
}

/** The signature of a bundle's bytes, in base64. */
export const signBundle = (content: Uint8Array, privateKey: KeyObject): string => sign(null, content, privateKey).toString("base64");

function bytesOf(written: string, length: number): Buffer | undefined {
  const text = written.trim();
  const bytes = /^[0-9a-f]+$/i.test(text) && text.length === 2 * length ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
  return bytes.length === length ? bytes : undefined;
}
