import type { IncomingHttpHeaders } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { Agent, request } from "node:https";
import { connect } from "node:tls";
import { MultiOperationExecutionFailure_OperationStatus as GrpcStatus } from "../../src/protocol/generated/temporal/api/errordetails/v1/message.ts";
import type { Issued } from "../../src/tls/certificate.test-kit.ts";

// Clients that send exactly what a test says, from an address of loopback that it chooses: whoever guesses is slowed down by address.

export type Headers = { readonly [name: string]: string };

export type From = {
  /** What the server's certificate is to be signed by. */
  readonly ca: string;
  /** 127.x.y.z */
  readonly address?: string | undefined;
  readonly certificate?: Issued | undefined;
};

/** How a call ended. */
export type Ended = {
  readonly code: number;
  readonly message: string;
  readonly details: GrpcStatus["details"];
  /** Of an answered call. */
  readonly answer: Uint8Array;
};

export type GrpcClient = {
  /** Sends one message; with `patience`, in milliseconds, it stops waiting: code 4, as a client's deadline. */
  call(path: string, message: Uint8Array, headers?: Headers, patience?: number): Promise<Ended>;
  close(): void;
};

export function openGrpc(target: string, from: From): GrpcClient {
  const session: ClientHttp2Session = connectHttp2(`https://${target}`, {
    createConnection: () => connect(connectionOf(target, from, ["h2"])),
  });
  session.on("error", () => {});
  return {
    call: (path, message, headers = {}, patience = 0) =>
      new Promise((resolve, reject) => {
        const stream = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
          ...headers,
        });
        const chunks: Buffer[] = [];
        let status: Omit<Ended, "answer"> | null = null;
        const read = (given: IncomingHttpHeaders): void => {
          if (given["grpc-status"] !== undefined) status = statusIn(given);
        };
        stream.on("response", read).on("trailers", read);
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("error", reject);
        stream.on("close", () => {
          clearTimeout(timer);
          if (status === null) reject(new Error(`${path} ended without a status`));
          else resolve({ ...status, answer: Buffer.concat(chunks).subarray(5) });
        });
        const timer =
          patience === 0
            ? undefined
            : setTimeout(() => {
                status = { code: 4, message: "the test waits no more", details: [] };
                stream.close();
              }, patience);
        const head = Buffer.alloc(5);
        head.writeUInt32BE(message.length, 1);
        stream.end(Buffer.concat([head, message]));
      }),
    close: () => session.destroy(),
  };
}

function statusIn(headers: IncomingHttpHeaders): Omit<Ended, "answer"> {
  const encoded = headers["grpc-status-details-bin"];
  return {
    code: Number(headers["grpc-status"]),
    message: decodeURIComponent(String(headers["grpc-message"] ?? "")),
    details: encoded === undefined ? [] : GrpcStatus.decode(Buffer.from(String(encoded), "base64")).details,
  };
}

export type HttpAnswer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string };

export type HttpClient = {
  ask(method: string, path: string, given?: { readonly headers?: Headers; readonly body?: unknown }): Promise<HttpAnswer>;
  close(): void;
};

/** An answer that does not end (server-sent events) is left after its first bytes. */
export function openHttp(target: string, from: From): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  return {
    ask: (method, path, { headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const { host: _host, port: _port, ...connection } = connectionOf(target, from, ["http/1.1"]);
        const sent = body === undefined ? {} : { "content-type": "application/json" };
        const asked = request(
          `https://${target}${path}`,
          { ...connection, agent, method, headers: { ...sent, ...headers } },
          (response) => {
            const chunks: Buffer[] = [];
            const done = (): void =>
              resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() });
            response.on("data", (chunk: Buffer) => {
              chunks.push(chunk);
              if (response.headers["content-type"] !== "text/event-stream") return;
              done();
              asked.destroy();
            });
            response.on("end", done);
          },
        );
        asked.on("error", reject);
        asked.end(body === undefined ? undefined : JSON.stringify(body));
      }),
    close: () => agent.destroy(),
  };
}

function connectionOf(target: string, { ca, address, certificate }: From, protocols: string[]) {
  const [host = "", port] = target.split(":");
  return {
    host,
    port: Number(port),
    ca,
    servername: "localhost",
    ALPNProtocols: protocols,
    ...(address === undefined ? {} : { localAddress: address }),
    ...(certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.keyPem }),
  };
}
