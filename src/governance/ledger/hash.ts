import { createHash } from "node:crypto";
import { assert } from "../../base/assert.ts";

/** SHA-256. */
export const hashBytes = 32;

/** A text (as UTF-8) or bytes, written after their length in 4 bytes; or a whole number from 0 to 2^53, written in 8. Big-endian, unsigned. */
export type Field = string | number | Uint8Array;

/** The fields one after the other. Two different lists of the same types never give the same bytes. */
export function framed(fields: readonly Field[]): Uint8Array {
  const lengths = fields.map(lengthOf);
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length, index) => sum + length + (typeof fields[index] === "number" ? 0 : 4), 0));
  let at = 0;
  for (const [index, field] of fields.entries()) {
    const length = lengths[index] ?? 0;
    if (typeof field === "number") {
      assert(Number.isSafeInteger(field) && field >= 0, `${field} is no whole number from 0`);
      bytes.writeUInt32BE(Math.floor(field / 2 ** 32), at);
      bytes.writeUInt32BE(field % 2 ** 32, at + 4);
    } else {
      at = bytes.writeUInt32BE(length, at);
      if (typeof field === "string") bytes.write(field, at);
      else bytes.set(field, at);
    }
    at += length;
  }
  return bytes;
}

const lengthOf = (field: Field): number =>
  typeof field === "number" ? 8 : typeof field === "string" ? Buffer.byteLength(field) : field.length;

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
