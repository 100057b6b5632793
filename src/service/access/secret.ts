import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

// An API key is `hfk_`, sixteen hexadecimal digits that name it, `_`, and 43 letters of secret: 256 random bits, as base64url. So much cannot be
// guessed, and a fast hash of it tells nothing: a slow one is for what people think of.

const keyPattern = /^hfk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

export const looksLikeKey = (text: string): boolean => text.startsWith("hfk_");

/** A new key. The text is for its owner only. */
export function newKey(): { readonly id: string; readonly text: string; readonly hash: Buffer } {
  const id = randomBytes(8).toString("hex");
  const secret = randomBytes(32).toString("base64url");
  return { id, text: `hfk_${id}_${secret}`, hash: hashOf(secret) };
}

/** The parts of a key as somebody presents it; null for what is none. */
export function readKey(text: string): { readonly id: string; readonly hash: Buffer } | null {
  const [, id, secret] = keyPattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, hash: hashOf(secret) };
}

/** Takes as long whatever the hashes. */
export const sameHash = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

/** Of a key that there is not, so that an unknown id takes as long to refuse as a wrong secret. */
export const noHash: Buffer = Buffer.alloc(32);

export const hashOf = (secret: string): Buffer => createHash("sha256").update(secret).digest();
