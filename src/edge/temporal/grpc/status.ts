import type { OutgoingHttpHeaders } from "node:http2";
import type { Code } from "./code.ts";

/** How a call ends. */
export type Status = {
  readonly code: Code;
  /** For people; cut to what a trailer may carry. */
  readonly message: string;
  /** An encoded `google.rpc.Status` for programs. Left out if it is more than a trailer may carry: code and message still reach the caller. */
  readonly details: Uint8Array | null;
};

export const status = (code: Code, message: string): Status => ({ code, message, details: null });

export function trailersOf({ code, message, details }: Status): OutgoingHttpHeaders {
  const trailers: OutgoingHttpHeaders = { "grpc-status": code, "grpc-message": encodeURI(trailerText(message)) };
  if (details !== null && details.length <= detailsBytesMax)
    trailers["grpc-status-details-bin"] = unpadded(Buffer.from(details).toString("base64"));
  return trailers;
}

/** As much of a message as a trailer may carry, which holds it percent-encoded; half of a surrogate pair becomes U+FFFD. */
export function trailerText(message: string): string {
  let text = Buffer.from(message.slice(0, trailerTextBytesMax)).toString();
  while (encodeURI(text).length > trailerTextBytesMax) text = `${Buffer.from(text.slice(0, text.length * 0.75)).toString()}…`;
  return text;
}

const unpadded = (base64: string): string => base64.replace(/=+$/, "");

// The Rust core accepts 16 KiB of headers in one block. Both bounds together, with base64 making 4 bytes of 3, leave it half of that.
export const detailsBytesMax = 4 * 1024;
export const trailerTextBytesMax = 3 * 1024;
