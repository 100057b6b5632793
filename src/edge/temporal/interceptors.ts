import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { Code } from "./code.ts";

type Call = Parameters<ServerInterceptor>[1];

/** grpc-js asks of an interceptor no more than a call; its types ask for one of its class, which costs every call a layer. */
const interceptor =
  (intercept: (path: string, call: Call) => Call): ServerInterceptor =>
  (method, call) =>
    intercept(method.path, call) as ServerInterceptingCall;

/**
 * Answers `GetSystemInfo` with a refusal of its compression when the Rust core of an SDK sent it with gzip. The core then connects again
 * and compresses nothing, which spares both sides a round of zlib per call. Other clients are left alone: they would not come back.
 * Source: crates/client/src/lib.rs `Connection::connect` in @temporalio/core-bridge.
 */
export const refusingCompression = interceptor((path, call) => {
  if (path !== getSystemInfoPath || encodingOf(call) !== "gzip") return call;
  return new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, proceed) => {
          if (isRustCore(metadata))
            call.sendStatus({ code: Code.UNIMPLEMENTED, details: "grpc-encoding gzip is refused: send uncompressed" });
          else proceed(metadata);
        },
      }),
  });
});

const getSystemInfoPath = "/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo";

const isRustCore = (metadata: Metadata): boolean =>
  String(metadata.get("user-agent")[0]).startsWith("tonic/") && metadata.get("client-name").length > 0;

/** grpc-js removes `grpc-encoding` from the metadata that it shows, and keeps it in a private field of the call; a test holds this. */
const encodingOf = (call: object): unknown => ("incomingEncoding" in call ? call.incomingEncoding : undefined);

/**
 * Words the refusal of a message over the limit as grpc-go does, since the Rust core knows by that text that it must not send the message
 * again. grpc-js sends this status past all interceptors, so it is caught on its way out of the call.
 * Source: crates/client/src/retry.rs `TonicErrorHandler` in @temporalio/core-bridge.
 */
export const wordingOversize = interceptor((_path, call) => {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (status) =>
    send(status.code === Code.RESOURCE_EXHAUSTED ? { ...status, details: reworded(status.details ?? "") } : status);
  return call;
});

function reworded(details: string): string {
  const [ours, theirs] = oversizeWordings.find(([, prefix]) => details.startsWith(prefix)) ?? ["", ""];
  return ours + details.slice(theirs.length);
}

const oversizeWordings = [
  // grpc-go                                                     grpc-js
  ["grpc: received message larger than max", "Received message larger than max"],
  ["grpc: received message after decompression larger than max", "Received message that decompresses to a size larger than"],
] as const;
