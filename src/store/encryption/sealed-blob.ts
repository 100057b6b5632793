import { createCipheriv, createDecipheriv, type KeyObject, randomFillSync } from "node:crypto";

// A sealed blob: marker (1 byte), format (1), id of the data key (4, big-endian), nonce (12), ciphertext, tag (16). AES-256-GCM.
//
// INVARIANT: the marker begins nothing that is stored in plain. Protobuf messages begin with a field number, which is never 0, and texts have no
// zero bytes.

const marker = 0;
const format = 1;
const nonceAt = 6;
const nonceBytes = 12;
const bodyAt = nonceAt + nonceBytes;
const tagBytes = 16;
const algorithm = "aes-256-gcm";

/** What sealing adds to a blob. */
export const overheadBytes = bodyAt + tagBytes;

export type DataKey = { readonly id: number; readonly key: KeyObject };

export const isSealed = (blob: Uint8Array): boolean => blob[0] === marker;

/** Encrypts `plain`, to be opened with the same `place` only. */
export function seal({ id, key }: DataKey, plain: Uint8Array, place: string): Uint8Array {
  const blob = Buffer.allocUnsafe(overheadBytes + plain.length);
  blob[0] = marker;
  blob[1] = format;
  blob.writeUInt32BE(id, 2);
  const nonce = freshNonce();
  blob.set(nonce, nonceAt);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(place));
  blob.set(cipher.update(plain), bodyAt);
  // A stream mode: nothing is left to give out.
  cipher.final();
  blob.set(cipher.getAuthTag(), bodyAt + plain.length);
  return blob;
}

/** What was sealed, or null when it is of another format, key or place, or not as it was sealed. */
export function unseal(keyOf: (id: number) => KeyObject | undefined, sealed: Uint8Array, place: string): Uint8Array | null {
  // Whoever writes to the file past the store may leave a text where bytes were.
  if (!(sealed instanceof Uint8Array)) return null;
  const blob = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (blob.length < overheadBytes || blob[0] !== marker || blob[1] !== format) return null;
  const key = keyOf(blob.readUInt32BE(2));
  if (key === undefined) return null;
  const tagAt = blob.length - tagBytes;
  const decipher = createDecipheriv(algorithm, key, blob.subarray(nonceAt, bodyAt), { authTagLength: tagBytes })
    .setAAD(Buffer.from(place))
    .setAuthTag(blob.subarray(tagAt));
  const plain = decipher.update(blob.subarray(bodyAt, tagAt));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return plain;
}

/** Random bytes for many nonces at a time: to ask for twelve takes as long as to encrypt a small blob. */
const nonces = Buffer.alloc(nonceBytes * 512);
let nextNonceAt = nonces.length;

function freshNonce(): Uint8Array {
  if (nextNonceAt === nonces.length) {
    randomFillSync(nonces);
    nextNonceAt = 0;
  }
  const nonce = nonces.subarray(nextNonceAt, nextNonceAt + nonceBytes);
  nextNonceAt += nonceBytes;
  return nonce;
}
