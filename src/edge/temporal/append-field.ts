/**
 * `message` with one more length-delimited field (`bytes`, `string` or an embedded message) behind it. Fields of an encoded message
 * may stand in any order, so bytes from the store become part of an answer without being decoded.
 * `fieldNumber` is at least 1. Source: protobuf.dev/programming-guides/encoding.
 */
export function appendField(message: Uint8Array, fieldNumber: number, bytes: Uint8Array): Uint8Array {
  const tag = (fieldNumber << 3) | lengthDelimited;
  const out = new Uint8Array(message.length + varintLength(tag) + varintLength(bytes.length) + bytes.length);
  out.set(message);
  const start = writeVarint(out, writeVarint(out, message.length, tag), bytes.length);
  out.set(bytes, start);
  return out;
}

const lengthDelimited = 2;

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++;
  return length;
}

function writeVarint(out: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest > 0x7f) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}
