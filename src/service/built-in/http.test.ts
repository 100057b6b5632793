import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toPayload } from "../../dag/payload.ts";
import { actionHeader } from "../../governance/call-site.ts";
import { make } from "../../protocol/codec.ts";
import { Header } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { PollActivityTaskQueueResponse } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { http } from "./http.ts";
import { createRequests } from "./outgoing-request.ts";

type Received = { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: string };

let received: Received | null = null;
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", () => {
    received = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body };
    const [, path = ""] = (request.url ?? "").split("/");
    if (path.startsWith("json")) response.writeHead(200, { "content-type": "application/json" }).end('{"n":1}');
    else if (path === "broken") response.writeHead(200, { "content-type": "application/json" }).end("{");
    else if (path === "large") response.writeHead(200).end("x".repeat(300_000));
    else if (path === "moved") response.writeHead(302, { location: "/json" }).end();
    else response.writeHead(Number(path) || 200, { "content-type": "text/plain" }).end("said");
  });
});
let base = "";
beforeAll(async () => {
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((closed) => server.close(closed).closeAllConnections()));

const task = make(PollActivityTaskQueueResponse, { workflowExecution: { workflowId: "r1", runId: "x" }, activityId: "ask@1" });
const ask = (input: unknown, allowPrivate = true, by = task) =>
  http({ send: createRequests({ allowPrivate, setting: "http.allowPrivate", timeout: 5_000 }) })({
    task: by,
    args: [input],
    signal: new AbortController().signal,
  });
const failed = (message: string, isRetryable = false) => ({ ok: false, error: { type: "HttpFailed", message, isRetryable } });

test("sends what it is given, and gives the answer", async () => {
  const input = {
    method: "post",
    url: `${base}/json?a=1`,
    query: { b: 2, c: null },
    headers: { "X-Team": "ops" },
    body: { host: "web-1" },
  };
  expect(await ask(input)).toMatchObject({ ok: true, value: { status: 200, body: { n: 1 } } });
  expect(received).toMatchObject({
    method: "POST",
    url: "/json?a=1&b=2",
    headers: { "x-team": "ops", "content-type": "application/json; charset=utf-8", "idempotency-key": "r1/ask@1" },
    body: '{"host":"web-1"}',
  });
});

test.each<[string, string]>([
  ["r1:ask", "r1:ask"],
  ["zwölf", "r1/ask@1"],
  ["", "r1/ask@1"],
])("with the idempotency key %j of whoever asks for the activity, it sends %j", async (said, sent) => {
  const header = make(Header, { fields: { [actionHeader]: toPayload({ v: 1, idempotency_key: said }) } });
  expect(await ask({ url: `${base}/json` }, true, { ...task, header })).toMatchObject({ ok: true });
  expect(received).toMatchObject({ headers: { "idempotency-key": sent } });
});

test("gives a body that is no JSON as a text", async () => {
  expect(await ask({ url: `${base}/` })).toMatchObject({ value: { body: "said" } });
  expect(await ask({ url: `${base}/broken` })).toMatchObject({ value: { body: "{" } });
});

test.each([
  ["404", undefined, false],
  ["503", undefined, true],
  ["200", 201, false],
] as const)("an answer %s where %s was expected is a failure", async (path, expect_status, isRetryable) => {
  const input = { url: `${base}/${path}`, ...(expect_status === undefined ? {} : { expect_status }) };
  expect(await ask(input)).toEqual(failed(`\`127.0.0.1\` answered ${path}`, isRetryable));
});

test("takes any status that is expected", async () => {
  expect(await ask({ url: `${base}/404`, expect_status: [200, 404] })).toMatchObject({ value: { status: 404 } });
});

test("reads no more than it can keep, follows nowhere, and reaches nothing private", async () => {
  expect(await ask({ url: `${base}/large` })).toEqual(failed("`127.0.0.1` answered with more than 262144 bytes"));
  expect(await ask({ url: `${base}/moved` })).toEqual(failed("`127.0.0.1` answered 302, and redirects are not followed"));
  const message = "`127.0.0.1` has no public address, and `http.allowPrivate` does not name it";
  expect(await ask({ url: `${base}/json` }, false)).toEqual(failed(message));
});

test.each([
  [{}, "`url`: expected an http or https URL without credentials"],
  [{ url: "ftp://example.com" }, "`url`: expected an http or https URL without credentials"],
  [{ url: "http://a:b@example.com" }, "`url`: expected an http or https URL without credentials"],
  [{ url: "http://example.com", method: "TRACE" }, "`method`: expected one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"],
  [{ url: "http://example.com", headers: { Host: "other" } }, "`headers.Host` is set by the server itself"],
  [{ url: "http://example.com", headers: { a: "1\r\nb: 2" } }, "`headers.a`: no header of HTTP"],
  [{ url: "http://example.com", body: "x".repeat(300_000) }, "`body`: larger than 262144 bytes"],
  [{ url: "http://example.com", expect_status: "ok" }, "`expect_status`: expected a status, or a list of them"],
  [{ url: "http://example.com", timeout: 3 }, "`timeout`: there is no such field"],
])("refuses %j", async (input, message) => {
  expect(await ask(input)).toEqual({ ok: false, error: { type: "InvalidInput", message, isRetryable: false } });
});
