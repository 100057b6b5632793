import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { connect, type Socket } from "node:net";
import type { Grant } from "../../src/access/principal.ts";
import type { WantedKey } from "../../src/service/access/keys.ts";
import { type GuardedServer, type GuardedServerOptions, startGuardedServer } from "../guarded-server.ts";

// What the tests of this folder share: a server without TLS, and clients that send exactly what they are told to.

export type Target = Omit<GuardedServer, "grpc" | "http" | "key"> & {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly url: string;
  key(grants: readonly Grant[], wanted?: Partial<WantedKey>): ReturnType<GuardedServer["key"]>;
};

export const admin: readonly Grant[] = [{ namespaces: ["*"], roles: ["admin"] }];
export const inTenant = (namespace: string, ...roles: readonly string[]): readonly Grant[] => [{ namespaces: [namespace], roles }];

/** With the namespaces `default` and `other`. */
export async function startTarget(options: GuardedServerOptions = {}): Promise<Target> {
  const server = await startGuardedServer(["other"], options);
  const portOf = (address: string): number => Number(address.split(":").at(-1));
  return {
    ...server,
    grpcPort: portOf(server.grpc),
    httpPort: portOf(server.http),
    url: `http://${server.http}`,
    key: (grants, wanted = {}) => server.key({ grants, ...wanted }),
  };
}

export type RawAnswer = { readonly status: number; readonly text: string };

/** Sends these bytes over TCP, from an address of loopback, and reads until the server closes. Status 0: it closed without an answer. */
export function sendRaw(port: number, bytes: string | Buffer, { address = "127.0.0.1", patience = 10_000 } = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress: address });
    const parts: Buffer[] = [];
    const impatience = setTimeout(() => socket.destroy(new Error("the server did not close")), patience);
    socket.on("connect", () => socket.write(bytes));
    socket.on("data", (part) => parts.push(part));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => {
      clearTimeout(impatience);
      const text = Buffer.concat(parts).toString();
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text });
    });
  });
}

/** A request whose lines are as given, and after which the connection ends. */
export const request = (lines: readonly string[], body = ""): string => `${[...lines, "connection: close"].join("\r\n")}\r\n\r\n${body}`;

export type Ended = { readonly code: number; readonly message: string };

/** One gRPC call with these bytes as its message. */
export function grpcCall(
  port: number,
  path: string,
  message: Uint8Array,
  headers: { readonly [name: string]: string } = {},
  { address = "127.0.0.1", signal }: { readonly address?: string; readonly signal?: AbortSignal } = {},
): Promise<Ended> {
  const socket: Socket = connect({ host: "127.0.0.1", port, localAddress: address });
  const session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => socket });
  session.on("error", () => {});
  return new Promise((resolve) => {
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
    let ended: Ended = { code: -1, message: "no status" };
    const read = (given: IncomingHttpHeaders): void => {
      if (given["grpc-status"] !== undefined)
        ended = { code: Number(given["grpc-status"]), message: decodeURI(String(given["grpc-message"] ?? "")) };
    };
    stream
      .on("response", read)
      .on("trailers", read)
      .on("data", () => {});
    stream.on("error", () => {});
    stream.on("close", () => {
      session.destroy();
      resolve(ended);
    });
    signal?.addEventListener("abort", () => session.destroy());
    stream.end(frame(message));
  });
}

export function frame(message: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export const workflowService = "/temporal.api.workflowservice.v1.WorkflowService";
