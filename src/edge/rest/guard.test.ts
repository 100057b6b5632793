import { afterAll, beforeAll, expect, test } from "vitest";
import { refusedByGuard } from "./guard.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

test.each([
  // host                    origin                          allowed             refused
  ["localhost:8081", undefined, [], null],
  ["127.0.0.1:8081", "http://127.0.0.1:8081", [], null],
  ["[::1]:8081", "http://localhost:3000", [], null],
  ["holdfast.localhost", undefined, [], null],
  ["LOCALHOST.", undefined, [], null],
  ["10.1.2.3:8081", undefined, [], null],
  ["holdfast.example", undefined, [], "host-not-allowed"],
  ["holdfast.example:8081", "https://holdfast.example", ["Holdfast.example"], null],
  ["holdfast.example", undefined, ["*"], null],
  ["localhost.evil.example", undefined, [], "host-not-allowed"],
  ["127.0.0.1.evil.example", undefined, [], "host-not-allowed"],
  ["", undefined, [], "host-not-allowed"],
  [undefined, undefined, [], "host-not-allowed"],
  ["localhost", "https://evil.example", [], "origin-not-allowed"],
  ["localhost", "null", [], "origin-not-allowed"],
  ["localhost", "", [], "origin-not-allowed"],
] as const)("host %s, origin %s, allowed %j → %s", (host, origin, allowed, code) => {
  const headers = { ...(host === undefined ? {} : { host }), ...(origin === undefined ? {} : { origin }) };
  expect(refusedByGuard(headers, allowed)?.code ?? null).toBe(code);
});

let api: TestApi;
beforeAll(async () => {
  api = await openApi(undefined, { rest: { requestsPerSecond: 0.1, requestBurst: 2 } });
});
afterAll(() => api.close());

test("every answer says how many may follow, is refused when there were too many, and is not to be framed or guessed at", async () => {
  const ask = () => fetch(`${api.url}/api/v1/approvals`, { headers: { "x-principal-id": "ada" } });
  const [first, second, third] = [await ask(), await ask(), await ask()];
  const shown = [first, second, third].map(({ status, headers }) => [
    status,
    headers.get("ratelimit-limit"),
    headers.get("ratelimit-remaining"),
  ]);
  expect(shown).toEqual([
    [200, "2", "1"],
    [200, "2", "0"],
    [429, "2", "0"],
  ]);
  expect(third.headers.get("retry-after")).toBe("10");
  expect(await third.json()).toMatchObject({ code: "rate-limited" });
  expect((await fetch(`${api.url}/api/v1/approvals`, { headers: { "x-principal-id": "bob" } })).status).toBe(200);
});
