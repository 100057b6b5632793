import { err } from "../../base/result.ts";
import type { Call } from "./grpc/call.ts";
import { Code } from "./grpc/code.ts";
import { status } from "./grpc/status.ts";
import type { Answer } from "./grpc/unary.ts";

/**
 * Wraps `GetSystemInfo`, the first call on every connection: if the Rust core of an SDK sent it with gzip, its compression is refused. The
 * core then connects again and compresses nothing, which spares both sides a round of zlib per call. Other clients are left alone: they
 * would not come back. Source: crates/client/src/lib.rs `Connection::connect` in @temporalio/core-bridge.
 */
export const refusingCompression =
  (answer: Answer): Answer =>
  async (message, call) =>
    isCompressingCore(call) ? err(status(Code.UNIMPLEMENTED, "grpc-encoding gzip is refused: send uncompressed")) : answer(message, call);

const isCompressingCore = (call: Call): boolean =>
  call.header("grpc-encoding") === "gzip" && call.header("user-agent").startsWith("tonic/") && call.header("client-name") !== "";
