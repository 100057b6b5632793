import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { retryAfterOf } from "./outgoing-request.ts";
import { createWebhooks, signatureHeader, signatureOf, type WebhookOptions } from "./webhook.ts";

type Received = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string };

const received: Received[] = [];
let answer = (_response: ServerResponse): void => {};
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", () => {
    received.push({ path: request.url ?? "", headers: request.headers, body });
    answer(response);
  });
});
let port = 0;
beforeAll(async () => {
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((closed) => server.close(closed).closeAllConnections()));

const looked: string[] = [];
/** Names that lead to this machine, and to one of the public internet that nobody reaches in a test. */
const addresses: { readonly [host: string]: readonly string[] } = {
  "inside.example.com": ["127.0.0.1"],
  "mixed.example.com": ["127.0.0.1", "::1"],
  "mapped.example.com": ["::ffff:127.0.0.1"],
};
const lookup = async (host: string) => {
  looked.push(host);
  const found = addresses[host];
  if (found === undefined) throw Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" });
  return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
};

const plain: WebhookOptions = { signingKey: null, allowPrivate: true, timeout: 5_000 };
const send = (options: Partial<WebhookOptions> = {}, host = "127.0.0.1", signal = new AbortController().signal) =>
  createWebhooks(
    { ...plain, ...options },
    lookup,
  )({
    url: new URL(`http://${host}:${port}/hook?a=b`),
    body: '{"text":"it is done – ✓"}',
    idempotencyKey: "run-1/5",
    signal,
  });
const answering = (status: number, headers: { [name: string]: string } = {}) => {
  received.length = 0;
  looked.length = 0;
  answer = (response) => response.writeHead(status, headers).end("whatever");
};

describe("a webhook", () => {
  test("gets the body, signed for the time at which it was sent, with its idempotency key", async () => {
    answering(200);
    expect(await send({ signingKey: "s3cret" })).toEqual({ ok: true, value: 200 });
    const [{ path, headers, body } = { path: "", headers: {}, body: "" }] = received;
    expect({ path, body }).toEqual({ path: "/hook?a=b", body: '{"text":"it is done – ✓"}' });
    expect(headers).toMatchObject({ "content-type": "application/json; charset=utf-8", "idempotency-key": "run-1/5" });
    const signature = String(headers[signatureHeader]);
    const seconds = Number(/^t=(\d+),v1=[0-9a-f]{64}$/.exec(signature)?.[1]);
    expect(Math.abs(Date.now() / 1_000 - seconds)).toBeLessThan(5);
    expect(signature).toBe(signatureOf(body, { key: "s3cret", seconds }));
    expect(signature).not.toBe(signatureOf(body, { key: "another", seconds }));
  });

  test("the signature is what others compute", () => {
    // printf '1700000000.{"text":"hi"}' | openssl dgst -sha256 -hmac s3cret
    expect(signatureOf('{"text":"hi"}', { key: "s3cret", seconds: 1_700_000_000 })).toBe(
      "t=1700000000,v1=a4abab2c9ec335a751cf8c3848e413a84a4e0eef17a9660d993911fafacadb66",
    );
  });

  test("without a key nothing is signed", async () => {
    answering(204);
    expect(await send()).toEqual({ ok: true, value: 204 });
    expect(received[0]?.headers).not.toHaveProperty(signatureHeader);
  });
});

test.each<[number, { [name: string]: string }, object]>([
  // status  headers                       problem
  [400, {}, { isRetryable: false }],
  [401, {}, { isRetryable: false }],
  [404, { "retry-after": "5" }, { isRetryable: false }],
  [408, {}, { isRetryable: true }],
  [429, { "retry-after": "7" }, { isRetryable: true, retryAfter: 7_000 }],
  [500, {}, { isRetryable: true }],
  [503, { "retry-after": "99999" }, { isRetryable: true, retryAfter: 3_600_000 }],
])("%i %j: %j", async (status, headers, problem) => {
  answering(status, headers);
  expect(await send()).toEqual({ ok: false, error: { message: `\`127.0.0.1\` answered ${status}`, ...problem } });
});

test.each([301, 302, 303, 307, 308])("a redirect (%i) is not followed", async (status) => {
  answering(status, { location: `http://127.0.0.1:${port}/elsewhere` });
  const message = `\`127.0.0.1\` answered ${status}, and redirects are not followed`;
  expect(await send()).toEqual({ ok: false, error: { message, isRetryable: false } });
  expect(received.map(({ path }) => path)).toEqual(["/hook?a=b"]);
});

describe("addresses that are not public", () => {
  const refused = (host: string) => ({
    ok: false,
    error: { message: `\`${host}\` has no public address, and \`notify.allowPrivate\` does not name it`, isRetryable: false },
  });

  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["2130706433", "127.0.0.1"],
    ["0x7f.1", "127.0.0.1"],
    ["[::1]", "::1"],
    ["[::ffff:127.0.0.1]", "::ffff:7f00:1"],
    ["inside.example.com", "inside.example.com"],
    ["mixed.example.com", "mixed.example.com"],
    ["mapped.example.com", "mapped.example.com"],
  ])("%s is refused", async (written, host) => {
    answering(200);
    expect(await send({ allowPrivate: false }, written)).toEqual(refused(host));
    expect(await send({ allowPrivate: ["other.example.com"] }, written)).toEqual(refused(host));
    expect(received).toEqual([]);
  });

  test("are reached where the configuration names the host, at the address that was looked up, once", async () => {
    answering(200);
    expect(await send({ allowPrivate: ["Inside.example.com"] }, "inside.EXAMPLE.com")).toEqual({ ok: true, value: 200 });
    expect(looked).toEqual(["inside.example.com"]);
    expect(received[0]?.headers.host).toBe(`inside.example.com:${port}`);
  });
});

describe("what cannot be reached may be later", () => {
  test("a name that nobody knows", async () => {
    answering(200);
    const message = "cannot reach `nowhere.example.com`: ENOTFOUND";
    expect(await send({}, "nowhere.example.com")).toEqual({ ok: false, error: { message, isRetryable: true } });
  });

  test("a receiver that does not answer in time", async () => {
    answer = () => {};
    expect(await send({ timeout: 50 })).toEqual({
      ok: false,
      error: { message: "`127.0.0.1` did not answer within 50 ms", isRetryable: true },
    });
  });

  test("a receiver that hangs up", async () => {
    answer = (response) => response.destroy();
    expect(await send()).toEqual({ ok: false, error: { message: "cannot reach `127.0.0.1`: ECONNRESET", isRetryable: true } });
  });

  test("a caller that no longer wants it", async () => {
    const caller = new AbortController();
    answer = () => caller.abort();
    expect(await send({}, "127.0.0.1", caller.signal)).toMatchObject({ ok: false });
  });

  test("an answer without end is not waited for", async () => {
    answer = (response) => response.writeHead(200).write("x".repeat(1_000_000));
    expect(await send()).toEqual({ ok: true, value: 200 });
  });
});

test.each([
  [undefined, null],
  ["", null],
  ["soon", null],
  ["0", null],
  ["-3", null],
  ["3", 3_000],
  ["Thu, 01 Jan 1970 00:01:00 GMT", 50_000],
  ["Thu, 01 Jan 1970 00:00:01 GMT", null],
])("Retry-After: %s is %s ms", (value, ms) => {
  expect(retryAfterOf(value, 10_000)).toBe(ms);
});
