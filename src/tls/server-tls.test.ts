import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { ClientCertificate } from "../access/certificate.ts";
import { ok } from "../base/result.ts";
import { hourMs } from "../base/time.ts";
import { startHttpEdge } from "../edge/http/server.ts";
import { startGrpcServer } from "../edge/temporal/grpc/grpc.ts";
import { unary } from "../edge/temporal/grpc/unary.ts";
import { silentLog } from "../telemetry/log.ts";
import { authority, type CertificateFields, filesOf, forLoopback, type Issued } from "./certificate.test-kit.ts";
import { peerCertificateOf } from "./peer-certificate.ts";
import { openServerTls, type ServerTls, type ServerTlsOptions } from "./server-tls.ts";

const ca = authority();
const stranger = authority("another authority");
const own = ca.issue(forLoopback);
const files = filesOf({ cert: own.certificatePem, key: own.keyPem, ca: ca.certificatePem });

type Port = "grpc" | "http";
type Opened = {
  readonly port: number;
  readonly tls: ServerTls;
  /** `port cause` of each failed handshake, and outcomes of reloads. */
  readonly counted: readonly string[];
  readonly logged: readonly unknown[];
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Serves one port that tells every client the certificate that it sees. */
async function open(kind: Port, options: Partial<ServerTlsOptions> = {}): Promise<Opened> {
  const counted: string[] = [];
  const logged: unknown[] = [];
  const opened = await openServerTls(
    {
      cert: files.cert,
      key: files.key,
      clientCa: (options.clientCert ?? "none") === "none" ? null : files.ca,
      clientCert: "none",
      minVersion: "TLSv1.2",
      reload: hourMs,
      ...options,
    },
    {
      log: { ...silentLog, error: (_message, fields) => void logged.push(fields) },
      metrics: {
        tlsFailures: { add: (_amount, port, cause) => void counted.push(`${port} ${cause}`) },
        tlsReloads: { add: (_amount, outcome) => void counted.push(outcome) },
        tlsCertificateExpiry: { add: () => {}, set: () => {}, readFrom: () => {} },
      },
    },
  );
  if (!opened.ok || opened.value === null) throw new Error("expected a certificate");
  const tls = opened.value;
  closing.push(tls.stop);
  return { port: await serve(kind, tls), tls, counted, logged };
}

async function serve(kind: Port, tls: ServerTls): Promise<number> {
  if (kind === "grpc") {
    const server = await startGrpcServer({
      host: "127.0.0.1",
      port: 0,
      limits: {
        receiveBytesMax: 1_000,
        sendBytesMax: 10_000,
        connectionsMax: 100,
        callsPerConnectionMax: 100,
        keepaliveMs: hourMs,
        keepaliveAnswerMsMax: hourMs,
        connectionAgeMaxMs: null,
        connectionsPerAddressMax: 100,
        requestMsMax: 60_000,
        answerMsMax: 60_000,
        firstCallMsMax: 60_000,
        receivingBytesPerAddressMax: 100_000_000,
      },
      handlerOf: () => unary(async (_message, { peer }) => ok(Buffer.from(JSON.stringify(peer.certificate)))),
      tls,
    });
    closing.push(server.stop);
    return server.port;
  }
  const edge = await startHttpEdge({
    host: "127.0.0.1",
    port: 0,
    ready: () => true,
    metrics: { render: () => "" },
    api: async () => ({
      handle: ({ socket }, response) => void response.end(JSON.stringify(peerCertificateOf(socket))),
      upgrade: ({ socket }, stream) =>
        void stream.end(
          `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${peerCertificateOf(socket)?.commonName}\r\n\r\n`,
        ),
    }),
    log: silentLog,
    tls,
  });
  closing.push(edge.stop);
  return Number(edge.address.split(":").at(-1));
}

const trusting: ConnectionOptions = { ca: ca.certificatePem, host: "127.0.0.1" };
const showing = ({ certificatePem, keyPem }: Issued): ConnectionOptions => ({ cert: certificatePem, key: keyPem });

/** The certificate that the server sees. */
const asked: { readonly [K in Port]: (port: number, options?: ConnectionOptions) => Promise<ClientCertificate | null> } = {
  grpc: (port, options) =>
    new Promise((resolve, reject) => {
      const session = connectHttp2(`https://127.0.0.1:${port}`, { ...trusting, ...options });
      session.once("error", reject);
      session.once("close", () => reject(new Error("closed")));
      const stream = session.request({ ":method": "POST", ":path": "/a.B/C", "content-type": "application/grpc" });
      const parts: Buffer[] = [];
      stream.on("data", (part: Buffer) => parts.push(part));
      stream.on("error", reject);
      stream.on("end", () => {
        session.destroy();
        const text = Buffer.concat(parts).subarray(5).toString();
        if (text === "") reject(new Error("no answer"));
        else resolve(JSON.parse(text) as ClientCertificate | null);
      });
      stream.end(Buffer.alloc(5));
    }),
  http: (port, options) =>
    new Promise((resolve, reject) => {
      const sent = request(`https://127.0.0.1:${port}/api/x`, { ...trusting, ...options, agent: false }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () => resolve(JSON.parse(Buffer.concat(parts).toString()) as ClientCertificate | null));
      });
      sent.on("error", reject);
      sent.end();
    }),
};

const ada: CertificateFields = { commonName: "ada", uri: ["spiffe://td/ada"] };
const clients = {
  nobody: {},
  ada: showing(ca.issue(ada)),
  "a stranger": showing(stranger.issue(ada)),
  "one who signs for herself": showing(authority("ada")),
  "ada, too late": showing(ca.issue({ ...ada, from: Date.now() - 2 * hourMs, until: Date.now() - hourMs })),
} as const;

describe.each(["grpc", "http"] as const)("%s", (kind) => {
  test.each([
    // clientCert   client                        seen    counted
    ["none", "nobody", null, []],
    ["none", "ada", null, []],
    ["optional", "nobody", null, []],
    ["optional", "ada", "ada", []],
    ["optional", "a stranger", null, [`${kind} untrusted-certificate`]],
    ["optional", "one who signs for herself", null, [`${kind} untrusted-certificate`]],
    ["optional", "ada, too late", null, [`${kind} untrusted-certificate`]],
    ["required", "ada", "ada", []],
  ] as const)("with certificates of clients %s, %s is let in as %s", async (clientCert, who, seen, counts) => {
    const { port, counted } = await open(kind, { clientCert });
    for (let turn = 0; turn < 2; turn++) expect((await asked[kind](port, clients[who]))?.commonName ?? null).toBe(seen);
    expect(new Set(counted)).toEqual(new Set(counts));
  });

  test.each([
    ["nobody", "no-certificate"],
    ["a stranger", "untrusted-certificate"],
    ["one who signs for herself", "untrusted-certificate"],
    ["ada, too late", "untrusted-certificate"],
  ] as const)("where a certificate is required, %s is refused", async (who, cause) => {
    const { port, counted } = await open(kind, { clientCert: "required" });
    await expect(asked[kind](port, clients[who])).rejects.toThrow();
    expect(counted).toEqual([`${kind} ${cause}`]);
    expect((await asked[kind](port, clients.ada))?.uri).toEqual(["spiffe://td/ada"]);
  });

  test.each([
    ["a request of HTTP/1", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"],
    ["a request of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"],
    ["no protocol at all", "\0".repeat(100)],
  ])("%s without TLS gets no answer and disturbs nobody", async (_what, text) => {
    const { port, counted } = await open(kind);
    const socket = connectTcp(port, "127.0.0.1");
    const received: Buffer[] = [];
    socket.on("data", (part: Buffer) => received.push(part));
    socket.on("error", () => {});
    socket.write(text, "latin1");
    await once(socket, "close");
    // At most an alert of TLS.
    expect(Buffer.concat(received).toString("latin1")).not.toMatch(/HTTP|grpc/);
    expect(counted).toEqual([`${kind} plaintext`]);
    expect(await asked[kind](port)).toBeNull();
  });

  test("who leaves before the handshake disturbs nobody", async () => {
    const { port, counted } = await open(kind);
    const socket = connectTcp(port, "127.0.0.1");
    await once(socket, "connect");
    socket.resetAndDestroy();
    expect(await asked[kind](port)).toBeNull();
    expect(counted).toEqual([`${kind} closed`]);
  });

  test("a client that does not know our authority, or is too old, is refused", async () => {
    const { port, counted } = await open(kind, { minVersion: "TLSv1.3" });
    await expect(asked[kind](port, { ca: stranger.certificatePem })).rejects.toThrow(/unable to verify|self.signed|signature/);
    await expect(asked[kind](port, { maxVersion: "TLSv1.2" })).rejects.toThrow();
    expect(await asked[kind](port)).toBeNull();
    expect(counted).toContain(`${kind} no-common-protocol`);
  });
});

describe("new certificates", () => {
  const second = ca.issue({ ...forLoopback, commonName: "the second" });
  /** As Kubernetes lays out a secret: the files are links into a folder that is itself a link, and is exchanged. */
  const secret = () => {
    const root = mkdtempSync(join(tmpdir(), "holdfast-tls-"));
    const put = (version: string, { certificatePem, keyPem }: Issued): void => {
      mkdirSync(join(root, version));
      writeFileSync(join(root, version, "tls.crt"), certificatePem);
      writeFileSync(join(root, version, "tls.key"), keyPem);
      symlinkSync(version, join(root, "..new"));
      renameSync(join(root, "..new"), join(root, "..data"));
    };
    put("..one", own);
    for (const name of ["tls.crt", "tls.key"]) symlinkSync(join("..data", name), join(root, name));
    return { put, cert: join(root, "tls.crt"), key: join(root, "tls.key") };
  };
  const subjectAt = async (port: number, kind: Port): Promise<unknown> => {
    const socket = connectTls({ port, ...trusting, ...(kind === "grpc" ? { ALPNProtocols: ["h2"] } : {}) });
    await once(socket, "secureConnect");
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return subject.CN;
  };

  test.each(["grpc", "http"] as const)("are served to who comes to %s from then on", async (kind) => {
    const { put, cert, key } = secret();
    const { port, tls, counted } = await open(kind, { cert, key });
    const before = connectTls({ port, ...trusting, ...(kind === "grpc" ? { ALPNProtocols: ["h2"] } : {}) });
    await once(before, "secureConnect");
    await tls.reload();
    expect(counted).toEqual([]);
    put("..two", second);
    await tls.reload();
    expect(await subjectAt(port, kind)).toBe("the second");
    expect(counted).toEqual(["loaded"]);
    expect(before.destroyed).toBe(false);
    before.destroy();
  });

  test("are looked for by themselves", async () => {
    const { put, cert, key } = secret();
    const { port, counted } = await open("http", { cert, key, reload: 10 });
    put("..two", second);
    await vi.waitUntil(() => counted.length > 0);
    expect(await subjectAt(port, "http")).toBe("the second");
  });

  test("that cannot be used are logged once, and the former one stays", async () => {
    const { put, cert, key } = secret();
    const { port, tls, counted, logged } = await open("http", { cert, key });
    put("..two", { ...second, keyPem: own.keyPem });
    await tls.reload();
    await tls.reload();
    put("..three", ca.issue({ ...forLoopback, from: 0, until: hourMs }));
    await tls.reload();
    expect(logged).toEqual([
      { problem: `tls.key: the key in ${key} does not belong to the certificate in ${cert}` },
      { problem: `tls.cert: the certificate in ${cert} expired on 1970-01-01T01:00:00.000Z` },
    ]);
    expect(counted).toEqual(["refused", "refused", "refused"]);
    expect(await subjectAt(port, "http")).toBe("holdfast");
    put("..four", second);
    await tls.reload();
    expect(await subjectAt(port, "http")).toBe("the second");
  });

  test("of authorities shut out those that are no longer trusted", async () => {
    const root = mkdtempSync(join(tmpdir(), "holdfast-tls-"));
    const clientCa = join(root, "ca.pem");
    writeFileSync(clientCa, ca.certificatePem);
    const { port, tls } = await open("http", { clientCert: "required", clientCa });
    expect((await asked.http(port, clients.ada))?.commonName).toBe("ada");
    writeFileSync(clientCa, stranger.certificatePem);
    await tls.reload();
    await expect(asked.http(port, clients.ada)).rejects.toThrow();
    expect((await asked.http(port, clients["a stranger"]))?.commonName).toBe("ada");
  });
});

describe("the gRPC port", () => {
  test.each([
    ["HTTP/1.1", ["http/1.1"]],
    ["nothing", undefined],
  ])("does not speak with who offers %s", async (_what, protocols) => {
    const { port } = await open("grpc");
    const socket = connectTls({ port, ...trusting, ...(protocols === undefined ? {} : { ALPNProtocols: protocols }) });
    socket.on("error", () => {});
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
    expect(await asked.grpc(port)).toBeNull();
  });
});

describe("a session that is taken up again", () => {
  type Turn = { readonly seen: string | null; readonly session: Buffer; readonly isReused: boolean };
  /** One connection, with a session if one is given. The first gives one for the next. */
  const turn = (port: number, options: ConnectionOptions): Promise<Turn> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ port, ...trusting, ...options });
      let session = Buffer.alloc(0);
      let text = "";
      socket.on("session", (given) => {
        session = given;
      });
      socket.on("data", (part) => {
        text += part;
      });
      socket.once("error", reject);
      socket.once("end", () => {
        const certificate = JSON.parse(text.split("\r\n\r\n")[1] ?? "") as ClientCertificate | null;
        resolve({ seen: certificate?.commonName ?? null, session, isReused: socket.isSessionReused() });
      });
      socket.write("GET /api/x HTTP/1.0\r\nhost: localhost\r\n\r\n");
    });

  test.each([
    ["TLSv1.2", "nobody", null],
    ["TLSv1.2", "ada", "ada"],
    ["TLSv1.2", "a stranger", null],
    ["TLSv1.3", "nobody", null],
    ["TLSv1.3", "ada", "ada"],
    ["TLSv1.3", "a stranger", null],
  ] as const)("over %s by %s is that of %s", async (maxVersion, who, seen) => {
    const { port } = await open("http", { clientCert: "optional" });
    const first = await turn(port, { ...clients[who], maxVersion });
    const second = await turn(port, { ...clients[who], maxVersion, session: first.session });
    expect([first.seen, second.seen, first.isReused, second.isReused]).toEqual([seen, seen, false, true]);
  });

  test("outlives no authority", async () => {
    const root = mkdtempSync(join(tmpdir(), "holdfast-tls-"));
    const clientCa = join(root, "ca.pem");
    writeFileSync(clientCa, ca.certificatePem);
    const { port, tls } = await open("http", { clientCert: "optional", clientCa });
    const { seen, session } = await turn(port, clients.ada);
    writeFileSync(clientCa, stranger.certificatePem);
    await tls.reload();
    expect([seen, (await turn(port, { ...clients.ada, session })).seen]).toEqual(["ada", null]);
  });
});

test("an upgrade over TLS", async () => {
  const { port } = await open("http", { clientCert: "required" });
  const headers = { connection: "upgrade", upgrade: "websocket" };
  const sent = request(`https://127.0.0.1:${port}/api/x`, { ...trusting, ...clients.ada, headers, agent: false });
  sent.end();
  const [{ headers: answered }] = await once(sent, "upgrade");
  expect(answered.upgrade).toBe("ada");
  sent.destroy();
});
