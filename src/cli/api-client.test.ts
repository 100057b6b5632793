import { once } from "node:events";
import { createServer as createPlainServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { authority, filesOf, forLoopback } from "../tls/certificate.test-kit.ts";
import { type ApiOptions, ask } from "./api-client.ts";
import { run } from "./cli.test-kit.ts";
import type { CliContext } from "./context.ts";

const ca = authority();
const own = ca.issue(forLoopback);
const ada = ca.issue({ commonName: "ada" });
const files = filesOf({ ca: ca.certificatePem, stranger: authority("another").certificatePem, cert: ada.certificatePem, key: ada.keyPem });

let received: IncomingMessage | undefined;
beforeEach(() => {
  received = undefined;
});
const answer: RequestListener = (request, response) => {
  received = request;
  if (request.url?.endsWith("/moved")) response.writeHead(307, { location: "/elsewhere" }).end();
  else if (request.url?.endsWith("/nothing")) response.writeHead(204).end();
  else response.setHeader("content-type", "application/json").end('{"items":[],"next_cursor":null}');
};
const secure = createServer(
  { cert: own.certificatePem, key: own.keyPem, ca: ca.certificatePem, requestCert: true, rejectUnauthorized: false },
  answer,
);
const plain = createPlainServer(answer);
const portOf = async (server: typeof secure | typeof plain): Promise<number> => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
};
const at = `127.0.0.1:${await portOf(secure)}`;
const plainAt = `127.0.0.1:${await portOf(plain)}`;
afterAll(() => {
  for (const server of [secure, plain]) {
    server.closeAllConnections();
    server.close();
  }
});

const list = ["run", "list"];

describe("a key", () => {
  test.each<[string[], NodeJS.ProcessEnv, string | undefined]>([
    [[], {}, undefined],
    [["--api-key", "hfk_flag"], {}, "hfk_flag"],
    [[], { HOLDFAST_API_KEY: "hfk_environment\n" }, "hfk_environment"],
    [["--api-key", "hfk_flag"], { HOLDFAST_API_KEY: "hfk_environment" }, "hfk_flag"],
  ])("%j, %j", async (flags, environment, sent) => {
    expect(await run([...list, "--address", plainAt, ...flags], environment)).toMatchObject({ exitCode: 0 });
    expect(received?.headers["x-api-key"]).toBe(sent);
  });

  test("is never shown, and never sent to where an answer leads", async () => {
    const context: CliContext = {
      environment: { HOLDFAST_API_KEY: "s3cret" },
      print: () => {},
      printBytes: () => {},
      complain: () => {},
      serve: async () => 0,
    };
    const options: ApiOptions = { address: plainAt };
    await expect(ask({ method: "GET", path: "/moved" }, options, context)).rejects.toThrow("the server answered 307");
    expect(received?.url).toBe("/api/v1/moved");
    const { complaints, exitCode } = await run([...list, "--address", plainAt, "--api-key", "s3cret\nx"]);
    expect([exitCode, complaints.includes("s3cret")]).toEqual([1, false]);
    expect((await ask({ method: "DELETE", path: "/nothing" }, options, context)).body).toBeNull();
  });
});

describe("a server with TLS", () => {
  const mine = ["--tls-cert", files.cert, "--tls-key", files.key];
  test.each<[string[], NodeJS.ProcessEnv, string | null]>([
    [["--address", at, "--tls-ca", files.ca], {}, null],
    [["--address", `https://${at}/`, "--tls-ca", files.ca], {}, null],
    [["--address", `https://localhost:${at.split(":")[1]}`, "--tls-ca", files.ca, ...mine], {}, "ada"],
    [
      [],
      { HOLDFAST_HTTP_ADDRESS: at, HOLDFAST_CLIENT_CA: files.ca, HOLDFAST_CLIENT_CERT: files.cert, HOLDFAST_CLIENT_KEY: files.key },
      "ada",
    ],
  ])("is asked: %j", async (flags, environment, subject) => {
    expect(await run([...list, ...flags], environment)).toMatchObject({ exitCode: 0, complaints: "" });
    const socket = received?.socket as TLSSocket;
    expect(socket.authorized ? socket.getPeerCertificate().subject.CN : null).toBe(subject);
  });

  const where = at.replaceAll(".", "\\.");
  test.each<[string[], number, RegExp]>([
    [
      ["--address", `https://${at}`],
      1,
      new RegExp(
        `^holdfast: the certificate of the server at https://${where} is not trusted \\(\\w+\\); name its authority with --tls-ca$`,
      ),
    ],
    [["--address", at, "--tls-ca", files.stranger], 1, /is not trusted \(\w+\); name its authority with --tls-ca$/],
    [
      ["--address", at],
      1,
      /^holdfast: no server answers at .* \(ECONNRESET\); name its HTTP port with --address; if it speaks TLS, write https:\/\/ before it$/,
    ],
    [["--address", `https://${plainAt}`], 1, /^holdfast: no connection with TLS to the server at https:.*: .*wrong version number/],
    [
      ["--address", `http://${at}`, "--tls-ca", files.ca],
      2,
      /^holdfast: --address: certificates are of no use for http:.*: write https:\/\/$/,
    ],
    [["--address", at, "--tls-ca", "/nowhere.pem"], 2, /^holdfast: cannot read \/nowhere\.pem/],
    [["--address", at, "--tls-cert", files.cert], 2, /^holdfast: --tls-cert and --tls-key \(or .*\) belong together$/],
    [["--address", "a b"], 2, /^holdfast: --address: expected host:port or a URL, not "a b"$/],
  ])("is not: %j", async (flags, exitCode, complaint) => {
    expect(await run([...list, ...flags])).toMatchObject({ exitCode, complaints: expect.stringMatching(complaint) });
  });
});
