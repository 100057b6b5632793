import { err, ok, type Result } from "../../../base/result.ts";
import { Code } from "./code.ts";
import { type Status, status } from "./status.ts";

/** One message as it stands on the wire. */
export type Frame = { readonly compressed: boolean; readonly bytes: Buffer };

/** Cuts what arrives on a stream into messages: one byte that says whether it is compressed, four of length, and so many bytes. */
export class FrameReader {
  readonly #bytesMax: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #wantedBytes = headerBytes;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether something has arrived of a message that is not complete. */
  get partial(): boolean {
    return this.#pendingBytes > 0;
  }

  /** The messages that this chunk completes. Refuses a message as soon as it announces that it is larger than allowed. */
  push(chunk: Buffer): Result<readonly Frame[], Status> {
    const frames: Frame[] = [];
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    while (this.#pendingBytes >= this.#wantedBytes) {
      const block = this.#joined();
      const length = block.readUInt32BE(1);
      if (length > this.#bytesMax) return err(tooLarge(length, this.#bytesMax));
      const end = headerBytes + length;
      if (block.length < end) {
        this.#wantedBytes = end;
        break;
      }
      frames.push({ compressed: block[0] === 1, bytes: block.subarray(headerBytes, end) });
      this.#keep(block.subarray(end));
    }
    return ok(frames);
  }

  #joined(): Buffer {
    const [first, ...more] = this.#pending;
    const block = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#pending);
    this.#pending = [block];
    return block;
  }

  #keep(rest: Buffer): void {
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;
    this.#wantedBytes = headerBytes;
  }
}

/** A message as it is sent: its header, and its bytes if they are too many to be copied behind it. */
export function framed(message: Uint8Array): readonly Uint8Array[] {
  const copied = message.length <= copiedBytesMax;
  const head = Buffer.allocUnsafe(copied ? headerBytes + message.length : headerBytes);
  head.writeUInt8(0, 0);
  head.writeUInt32BE(message.length, 1);
  if (!copied) return [head, message];
  head.set(message, headerBytes);
  return [head];
}

/** The Rust core knows by this text that it must not send the message again. Source: crates/client/src/retry.rs in @temporalio/core-bridge. */
const tooLarge = (bytes: number, bytesMax: number): Status =>
  status(Code.RESOURCE_EXHAUSTED, `grpc: received message larger than max (${bytes} vs. ${bytesMax})`);

const headerBytes = 5;
const copiedBytesMax = 16 * 1024;
