import { type BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

/** What the generator gives for each message. */
export type Codec<T> = {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): T;
};

const empty = new Uint8Array(0);
const defaults = new Map<Codec<never>, object>();

/** A message with the given fields and proto3 defaults for the rest. */
export function make<T extends object>(codec: Codec<T>, fields: Partial<T> = {}): T {
  let base = defaults.get(codec as Codec<never>);
  if (base === undefined) {
    base = Object.freeze(codec.decode(empty));
    defaults.set(codec as Codec<never>, base);
  }
  return Object.assign({}, base, fields) as T;
}

/** Kept from message to message: to grow a buffer anew for each of them costs more than to write it. */
let writer = new BinaryWriter();
/** A writer that had to grow beyond this for one message is let go. */
const keptBytesMax = 64 * 1024;

export function encode<T>(codec: Codec<T>, message: T): Uint8Array {
  try {
    const bytes = codec.encode(message, writer).finish();
    if (bytes.length > keptBytesMax) writer = new BinaryWriter();
    return bytes;
  } catch (error) {
    // Half a message is in it.
    writer = new BinaryWriter();
    throw error;
  }
}
