// A gRPC client with nothing around it but node:http2: cheaper than the servers that it measures, so that it is not what is measured.
import { type ClientHttp2Session, connect } from "node:http2";
import { type Codec, encode, make } from "../src/protocol/codec.ts";

export type RawClient = {
  /** One unary call of WorkflowService. Rejects with the server's status when it is not OK. */
  call<Q extends object, A extends object>(rpc: Rpc<Q, A>, request: Partial<Q>): Promise<A>;
  close(): void;
};

export type Rpc<Q, A> = { readonly name: string; readonly request: Codec<Q>; readonly response: Codec<A> };

const service = "/temporal.api.workflowservice.v1.WorkflowService";
const frameHeaderBytes = 5;

/** Connects to `host:port`. A lost connection fails the calls that are open. `metadata` goes with every call. */
export function connectRaw(address: string, metadata: { readonly [name: string]: string } = {}): RawClient {
  const session = connect(`http://${address}`);
  // Each open call fails by itself.
  session.on("error", () => {});
  return {
    call: async (rpc, request) =>
      rpc.response.decode(await callBytes(session, rpc.name, encode(rpc.request, make(rpc.request, request)), metadata)),
    close: () => session.destroy(),
  };
}

function callBytes(
  session: ClientHttp2Session,
  name: string,
  message: Uint8Array,
  metadata: { readonly [name: string]: string },
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": `${service}/${name}`,
      "content-type": "application/grpc",
      te: "trailers",
      "temporal-namespace": "default",
      ...metadata,
    });
    const chunks: Buffer[] = [];
    let status: string | undefined;
    let explanation = "";
    const note = (headers: { readonly [name: string]: unknown }): void => {
      if (headers["grpc-status"] === undefined) return;
      status = String(headers["grpc-status"]);
      explanation = decodeURIComponent(String(headers["grpc-message"] ?? ""));
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      if (status === "0") resolve(Buffer.concat(chunks).subarray(frameHeaderBytes));
      else reject(new Error(`${name}: ${status === undefined ? "connection lost" : `status ${status}, ${explanation}`}`));
    });
    const frame = Buffer.allocUnsafe(frameHeaderBytes + message.length);
    frame[0] = 0;
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, frameHeaderBytes);
    stream.end(frame);
  });
}

/** Calls `work` with 0, 1, 2, … with so many of them open at a time, until `count` are done or `deadline` (`performance.now()`) has passed. Returns how many were begun. */
export async function inFlight(options: {
  readonly count: number;
  readonly atOnce: number;
  readonly deadline?: number;
  readonly work: (index: number) => Promise<void>;
}): Promise<number> {
  const { count, atOnce, deadline = Number.POSITIVE_INFINITY, work } = options;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count && performance.now() < deadline) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return next;
}
