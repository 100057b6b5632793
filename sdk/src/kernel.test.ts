import { once } from "node:events";
import { createServer as createPlainServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, describe, expect, test } from "vitest";
import { authority, forLoopback } from "../../src/tls/certificate.test-kit.ts";
import { askKernel, type KernelOptions, KernelUnavailable } from "./kernel.ts";

const ca = authority();
const own = ca.issue(forLoopback);
const ada = ca.issue({ commonName: "ada" });

let received: IncomingMessage | undefined;
let status = 200;
const kernel: RequestListener = (request, response) => {
  received = request;
  const decision = {
    decision: "DECISION_TYPE_ALLOW",
    ruleId: "r",
    reason: "",
    policySnapshot: "s",
    delayMs: null,
    remediations: [],
    exactConstraints: {},
  };
  request.resume().on("end", () => response.writeHead(status, { location: "/elsewhere" }).end(JSON.stringify(decision)));
};
const secure = createServer(
  { cert: own.certificatePem, key: own.keyPem, ca: ca.certificatePem, requestCert: true, rejectUnauthorized: false },
  kernel,
);
const plain = createPlainServer(kernel);
const listen = async (server: typeof secure | typeof plain): Promise<string> => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};
const secureAt = await listen(secure);
const plainAt = await listen(plain);
afterAll(() => {
  for (const server of [secure, plain]) {
    server.closeAllConnections();
    server.close();
  }
});

const asks = (options: KernelOptions) => askKernel(options, { kind: "activity", name: "refund" });
const serverRootCACertificate = Buffer.from(ca.certificatePem);
const clientCertPair = { crt: ada.certificatePem, key: ada.keyPem };

describe("a kernel is asked", () => {
  test.each<[string, KernelOptions, string | undefined, string | null]>([
    // what                            options                                                                       key        certificate
    ["without a key", { address: plainAt }, undefined, null],
    ["with a key", { address: plainAt, apiKey: "hfk_1\n" }, "hfk_1", null],
    ["over TLS", { address: secureAt, apiKey: "hfk_1", tls: { serverRootCACertificate } }, "hfk_1", null],
    ["by its URL", { address: `https://${secureAt}`, tls: { serverRootCACertificate } }, undefined, null],
    ["with a certificate", { address: secureAt, tls: { serverRootCACertificate, clientCertPair } }, undefined, "ada"],
  ])("%s", async (_what, options, key, subject) => {
    expect((await asks(options)).effect).toBe("ALLOW");
    expect(received?.headers["x-api-key"]).toBe(key);
    const socket = received?.socket as TLSSocket;
    expect(socket.authorized ? socket.getPeerCertificate().subject.CN : null).toBe(subject);
  });
});

test.each<[string, KernelOptions, RegExp]>([
  ["that nobody vouches for", { address: secureAt, tls: true }, /certificate|self.signed/],
  ["that speaks TLS unasked", { address: secureAt }, /socket hang up/],
  ["at an address without TLS", { address: `http://${plainAt}`, tls: true }, /has to begin with https:/],
  ["that is not there", { address: "127.0.0.1:1" }, /ECONNREFUSED/],
])("a kernel %s gives no decision", async (_what, options, why) => {
  const failed = asks(options);
  await expect(failed).rejects.toThrow(KernelUnavailable);
  await expect(failed).rejects.toThrow(why);
});

test("an answer from elsewhere is none", async () => {
  status = 307;
  await expect(asks({ address: plainAt })).rejects.toThrow("it answered with status 307");
  status = 200;
});

test("a kernel that had closed the connection is asked again", async () => {
  await asks({ address: plainAt });
  plain.closeIdleConnections();
  expect((await asks({ address: plainAt })).effect).toBe("ALLOW");
});
