import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRequests, type Lookup } from "../../src/service/built-in/outgoing-request.ts";
import { createWebhooks } from "../../src/service/built-in/webhook.ts";

// Requests that the server sends for others: webhooks, `http` steps, endpoints of workers, keys of issuers. All go by one guard; what each
// sender makes of a refusal is tested beside it (webhook, http, endpoints, issuer-keys).

const reached: string[] = [];
let location = "";
const inside = createServer((request, response) => {
  reached.push(request.url ?? "");
  if (request.url === "/moved") response.writeHead(302, { location }).end();
  else response.end("a secret of the inside");
});
let port = 0;
beforeAll(async () => {
  await new Promise<void>((listening) => inside.listen(0, "127.0.0.1", listening));
  port = (inside.address() as AddressInfo).port;
});
afterAll(() => new Promise((closed) => inside.close(closed).closeAllConnections()));

const sent = (host: string, lookup: Lookup, { path = "/", allowPrivate = false as boolean | readonly string[] } = {}) =>
  createRequests(
    { allowPrivate, setting: "x.allowPrivate", timeout: 2_000 },
    lookup,
  )({
    method: "GET",
    url: new URL(`http://${host}:${port}${path}`),
    headers: {},
    body: null,
    answerBytesMax: 1_000,
    signal: new AbortController().signal,
  });
const nobody: Lookup = async () => {
  throw Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" });
};
const answering =
  (...addresses: readonly string[]): Lookup =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));

describe("addresses that are not public are not reached", () => {
  test.each([
    ["loopback", "127.0.0.1"],
    ["loopback, elsewhere", "127.9.9.9"],
    ["a decimal number", "2130706433"],
    ["octal", "0177.0.0.1"],
    ["hexadecimal", "0x7f000001"],
    ["fewer parts", "127.1"],
    ["all addresses", "0.0.0.0"],
    ["all addresses, shorter", "0"],
    ["link-local: the metadata of clouds", "169.254.169.254"],
    ["the same in decimal", "2852039166"],
    ["private", "10.0.0.1"],
    ["private", "172.16.0.1"],
    ["private", "192.168.1.1"],
    ["of a carrier", "100.64.0.1"],
    ["multicast", "224.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["IPv6 loopback", "[::1]"],
    ["IPv6, all addresses", "[::]"],
    ["IPv4 in IPv6", "[::ffff:127.0.0.1]"],
    ["IPv4 in IPv6, hexadecimal", "[::ffff:7f00:1]"],
    ["IPv4 in IPv6, compatible", "[::127.0.0.1]"],
    ["IPv4 behind NAT64", "[64:ff9b::7f00:1]"],
    ["IPv4 behind 6to4", "[2002:7f00:1::]"],
    ["unique local", "[fd00::1]"],
    ["IPv6 link-local", "[fe80::1]"],
    ["full-width digits", "１２７.0.0.1"],
    ["circled digits", "①②⑦.0.0.1"],
  ])("%s: %s", async (_, host) => {
    reached.length = 0;
    expect(await sent(host, nobody)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("has no public address"), isRetryable: false },
    });
    expect(reached).toEqual([]);
  });

  test.each([
    ["a name that leads inside", answering("127.0.0.1")],
    ["a name that leads to the metadata of clouds", answering("169.254.169.254")],
    ["a name with an IPv4 address in IPv6", answering("::ffff:127.0.0.1")],
    ["a name with several, none of them public", answering("10.0.0.1", "::1", "fd00::1")],
  ])("%s", async (_, lookup) => {
    reached.length = 0;
    expect(await sent("outside.example", lookup)).toMatchObject({ ok: false, error: { isRetryable: false } });
    expect(reached).toEqual([]);
  });
});

test("a name that leads elsewhere at a second look is not looked at twice", async () => {
  reached.length = 0;
  let looks = 0;
  // Public for whoever checks, inside for whoever connects.
  const rebinding: Lookup = async () => [{ address: looks++ === 0 ? "203.0.114.1" : "127.0.0.1", family: 4 }];
  const refused = await createRequests(
    { allowPrivate: false, setting: "x", timeout: 300 },
    rebinding,
  )({
    method: "GET",
    url: new URL(`http://rebound.example:${port}/`),
    headers: {},
    body: null,
    answerBytesMax: 10,
    signal: new AbortController().signal,
  });
  expect(refused.ok).toBe(false);
  expect(looks).toBe(1);
  expect(reached).toEqual([]);
});

test.each([
  ["to the same host", () => `http://127.0.0.1:${port}/secret`],
  ["to the metadata of clouds", () => "http://169.254.169.254/latest/meta-data"],
  ["to a file", () => "file:///etc/passwd"],
])("a redirect %s is not followed", async (_, to) => {
  reached.length = 0;
  location = to();
  const answer = await sent("127.0.0.1", nobody, { path: "/moved", allowPrivate: ["127.0.0.1"] });
  expect(answer).toMatchObject({ ok: true, value: { status: 302 } });
  expect(reached).toEqual(["/moved"]);
});

test("a host that may be private is that host alone", async () => {
  expect(await sent("127.0.0.1", nobody, { allowPrivate: ["localhost"] })).toMatchObject({ ok: false });
  expect(await sent("inside.example", answering("127.0.0.1"), { allowPrivate: ["inside.example"] })).toMatchObject({ ok: true });
  expect(await sent("inside.example.evil.example", answering("127.0.0.1"), { allowPrivate: ["inside.example"] })).toMatchObject({
    ok: false,
  });
});

test("nobody sends requests past the guard", () => {
  const source = new URL("../../src/", import.meta.url);
  const senders = readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !/\.(?:test|bench)[.-]/.test(name) && !name.includes("generated"))
    // What the command line asks is what whoever runs it wants to ask.
    .filter((name) => !name.startsWith("cli/"))
    .filter((name) =>
      /(?<![.\w])fetch\(|\brequest as\b|\bhttps?\.(?:get|request)\(|createRemoteJWKSet|from "node:dgram"|\bconnect\b.*from "node:(?:net|tls|http2)"/.test(
        readFileSync(new URL(name, source), "utf8").replace(/^import type .*$/gm, ""),
      ),
    );
  expect(senders).toEqual(["service/built-in/outgoing-request.ts"]);
});

test("those who send get the guard of their own setting", async () => {
  const post = createWebhooks({ signingKey: null, allowPrivate: false, timeout: 1_000 });
  const posted = await post({
    url: new URL(`http://127.0.0.1:${port}/`),
    body: "{}",
    idempotencyKey: "a",
    signal: new AbortController().signal,
  });
  expect(posted).toMatchObject({ ok: false, error: { message: expect.stringContaining("notify.allowPrivate") } });
});
