import { gunzipSync, inflateSync } from "node:zlib";
import { err, ok, type Result } from "../../../base/result.ts";
import { Code } from "./code.ts";
import { type Status, status } from "./status.ts";

/** What a client may send compressed, for the header that tells it so. */
export const acceptedEncodings = "identity,gzip,deflate";

/**
 * The message behind its `grpc-encoding`. Synchronous, since most are small, and handing over to the thread pool costs more than their
 * decompression; `bytesMax` bounds both the memory and the time (about 10 ms for 4 MiB).
 */
export function decompressed(bytes: Uint8Array, encoding: string, bytesMax: number): Result<Uint8Array, Status> {
  const decompress = decompressors[encoding];
  if (decompress === undefined)
    return err(status(Code.UNIMPLEMENTED, `grpc: decompressor is not installed for grpc-encoding "${encoding}"`));
  try {
    return ok(decompress(bytes, { maxOutputLength: bytesMax }));
  } catch (cause) {
    if (cause instanceof RangeError) return err(tooLarge(bytesMax));
    return err(status(Code.INTERNAL, `grpc: failed to decompress the message with ${encoding}`));
  }
}

const decompressors: { readonly [encoding: string]: typeof gunzipSync } = { gzip: gunzipSync, deflate: inflateSync };

/** Known to the Rust core by its beginning, like the text for a message that is too large as it is sent. */
const tooLarge = (bytesMax: number): Status =>
  status(Code.RESOURCE_EXHAUSTED, `grpc: received message after decompression larger than max ${bytesMax}`);
