import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dayMs, hourMs } from "../../base/time.ts";
import { artifactDefaults } from "../../service/artifacts/artifact.ts";
import { turn } from "../../service/service.test-kit.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const v1 = "/api/v1/artifacts";
const bytesMax = 4_096;

let api: TestApi;
beforeEach(async () => {
  api = await openApi(undefined, { artifacts: { ...artifactDefaults, bytesMax, totalBytesMax: 16_384 } });
});
afterEach(() => api.close());

const save = (body: object, headers = {}, query = "") => api.ask("POST", `${v1}${query}`, { as: "ada", body, headers });
const saved = async (body: object): Promise<string> => {
  const { status, json, text } = await save(body);
  expect([status, text]).toEqual([200, text]);
  return String(json.artifact_ptr);
};
const at = (pointer: string): string => `${v1}/${encodeURIComponent(pointer)}`;
const recorded = async () => {
  const { json } = await api.ask("GET", "/api/v1/audit?kind=administration");
  return [...(json.items ?? [])].map(({ body }) => body);
};

describe("an artifact", () => {
  test("is given back as it was sent, with what is known of it", async () => {
    const content = Buffer.from([0, 255, 254, 13, 10, 0]);
    const body = { content_base64: content.toString("base64"), content_type: "image/png", labels: { step: "plan" } };
    const pointer = await saved(body);
    expect(pointer).toMatch(/^redis:\/\/art:[0-9a-f-]{36}$/);
    expect((await api.ask("GET", at(pointer))).json).toEqual({
      artifact_ptr: pointer,
      content_base64: body.content_base64,
      metadata: {
        content_type: "image/png",
        size_bytes: 6,
        retention: "standard",
        labels: { step: "plan", tenant_id: "default" },
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        created_by: "ada",
        created_at: "2026-01-01T00:00:00.000Z",
        expires_at: "2026-01-08T00:00:00.000Z",
      },
    });
  });

  test("is downloaded as a file that no browser takes for a page", async () => {
    const pointer = await saved({ content: "<script>alert(1)</script>", content_type: "text/html" });
    const response = await fetch(`${api.url}${at(pointer)}/content`);
    expect(await response.text()).toBe("<script>alert(1)</script>");
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-disposition": `attachment; filename*=UTF-8''${pointer.slice("redis://art:".length)}`,
    });
  });

  test("whatever its bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (content) => {
        const pointer = await saved({ content_base64: Buffer.from(content).toString("base64") });
        const response = await fetch(`${api.url}${at(pointer)}/content`);
        expect(new Uint8Array(await response.arrayBuffer())).toEqual(content);
        await api.ask("DELETE", at(pointer));
      }),
      { numRuns: 20 },
    );
  });

  test("is found by what stands behind `redis://` as well", async () => {
    const pointer = await saved({ content: "a" });
    for (const short of [pointer.replace("redis://", ""), pointer.replace("redis://art:", "")])
      expect((await api.ask("GET", `${v1}/${short}`)).json).toMatchObject({ artifact_ptr: pointer });
  });

  test("is gone once it is deleted", async () => {
    const pointer = await saved({ content: "a" });
    expect((await api.ask("DELETE", at(pointer))).status).toBe(204);
    for (const path of [at(pointer), `${at(pointer)}/content`])
      expect((await api.ask("GET", path)).json).toMatchObject({ status: 404, code: "no-such-artifact" });
    expect((await api.ask("DELETE", at(pointer))).status).toBe(404);
    expect((await api.ask("GET", v1)).json).toEqual({ items: [], next_cursor: null });
  });

  test("is saved once for a key, however often it is sent, also at once", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => save({ content: "a" }, { "idempotency-key": "k" })));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect([...((await api.ask("GET", v1)).json.items ?? [])]).toHaveLength(1);
    expect((await save({ content: "b" }, { "idempotency-key": "k" })).json).toMatchObject({ code: "idempotency-key-reused" });
  });
});

describe("no pointer names anything else", () => {
  test("nor what another tenant has", async () => {
    const pointer = await saved({ content: "a" });
    const headers = { "x-tenant-id": "other" };
    for (const [method, path] of [
      ["GET", at(pointer)],
      ["GET", `${at(pointer)}/content`],
      ["DELETE", at(pointer)],
    ] as const)
      expect((await api.ask(method, path, { headers })).json).toMatchObject({ status: 404, code: "no-such-artifact" });
    expect((await api.ask("GET", v1, { headers })).json).toMatchObject({ items: [] });
    expect((await api.ask("GET", at(pointer))).status).toBe(200);
  });

  test.each([
    ["a job's input", (id: string) => `redis://ctx:${id}`],
    ["a place above", (id: string) => `../default/${id}`],
    ["a place above, encoded twice", (id: string) => `..%2f${id}`],
    ["another kind of document", () => "redis://schema:acme/order"],
    ["nothing but the scheme", () => "redis://art:"],
    ["a pattern", () => "redis://art:*"],
    ["capital letters", (id: string) => id.toUpperCase()],
    ["a line more", (id: string) => `${id}\n`],
    ["a null byte", (id: string) => `${id}\0`],
  ])("%s is none", async (_, pointerFor) => {
    const id = (await saved({ content: "a" })).slice("redis://art:".length);
    for (const path of [at(pointerFor(id)), `${at(pointerFor(id))}/content`])
      expect((await api.ask("GET", path)).json).toMatchObject({ status: 404, code: "no-such-artifact" });
  });
});

describe("is refused", () => {
  test.each([
    ["no content", {}, 400, "one-content"],
    ["two contents", { content: "a", content_base64: "YQ==" }, 400, "one-content"],
    ["what is not base64", { content_base64: "a?b=" }, 400, "bad-content"],
    ["base64 without padding", { content_base64: "YQ" }, 400, "bad-content"],
    ["base64 with bits that stand for nothing", { content_base64: "YR==" }, 400, "bad-content"],
    ["half a letter", { content: "\ud800" }, 400, "bad-content"],
    ["a media type that would end its header", { content: "a", content_type: "text/plain\r\nx: y" }, 400, "invalid-request"],
    ["another retention", { content: "a", retention: "forever" }, 400, "invalid-request"],
    ["a label that is no text", { content: "a", labels: { a: 1 } }, 400, "invalid-request"],
    [
      "too many labels",
      { content: "a", labels: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [n, ""])) },
      400,
      "invalid-request",
    ],
    ["a content that is too large", { content: "a".repeat(bytesMax + 1) }, 413, "artifact-too-large"],
    ["a body that cannot be one", { content: "a".repeat(2 ** 19) }, 413, "too-large"],
  ])("%s", async (_, body, status, code) => {
    expect((await save(body)).json).toMatchObject({ status, code });
    expect((await api.ask("GET", v1)).json).toMatchObject({ items: [] });
  });

  test.each([
    ["", { "x-max-artifact-bytes": "2" }, 413],
    ["?max_bytes=2", {}, 413],
    ["?max_bytes=9", { "x-max-artifact-bytes": "2" }, 413],
    ["?max_bytes=3", { "x-max-artifact-bytes": "3" }, 200],
    ["", { "x-max-artifact-bytes": "many" }, 400],
    // More than the server lets anybody have.
    [`?max_bytes=${bytesMax * 2}`, {}, 200],
  ])("what is larger than whoever sends it lets it be: %s %j → %d", async (query, headers, status) => {
    expect((await save({ content: "abc" }, headers, query)).status).toBe(status);
  });

  test("what is more than the tenant may keep, until some of it is gone", async () => {
    const full = { content: "a".repeat(bytesMax) };
    const answers = await Promise.all(Array.from({ length: 8 }, () => save(full)));
    const pointers = answers.filter(({ status }) => status === 200).map(({ json }) => String(json.artifact_ptr));
    expect(pointers).toHaveLength(3);
    expect((await save(full)).json).toMatchObject({ status: 409, code: "no-room-for-artifact" });
    await api.ask("DELETE", at(pointers[0] ?? ""));
    expect((await save(full)).status).toBe(200);
    expect((await save(full, { "x-tenant-id": "other" })).status).toBe(200);
  });
});

describe("a list", () => {
  const contentTypes = async (query: string): Promise<readonly string[]> =>
    [...((await api.ask("GET", `${v1}?${query}`)).json.items ?? [])].map(({ content_type }) => String(content_type));
  const saveAll = async () => {
    for (const [name, retention, env] of [
      ["a", "short", "dev"],
      ["b", "standard", "prod"],
      ["c", "audit", "prod"],
    ]) {
      await saved({ content: "x", content_type: `x/${name}`, retention, labels: { env, [`is-${name}`]: "" } });
      api.core.clock.jump(1);
    }
  };

  test.each([
    ["", ["x/c", "x/b", "x/a"]],
    ["retention=audit", ["x/c"]],
    ["label=env%3Dprod", ["x/c", "x/b"]],
    ["label=is-a", ["x/a"]],
    ["label=is-a%3D1", []],
    ["label=env%3Dprod&retention=standard", ["x/b"]],
    ["label=constructor", []],
  ])("%s: %j", async (query, expected) => {
    await saveAll();
    expect(await contentTypes(query)).toEqual(expected);
  });

  test("comes in pages", async () => {
    await saveAll();
    const first = (await api.ask("GET", `${v1}?limit=2`)).json;
    expect([...(first.items ?? [])].map(({ content_type }) => content_type)).toEqual(["x/c", "x/b"]);
    const second = (await api.ask("GET", `${v1}?limit=2&cursor=${first.next_cursor}`)).json;
    expect(second).toMatchObject({ items: [{ content_type: "x/a" }], next_cursor: null });
    expect((await api.ask("GET", `${v1}?cursor=../other`)).json).toMatchObject({ status: 400, code: "bad-cursor" });
  });
});

describe("its time", () => {
  test.each([
    ["short", 24 * hourMs],
    ["standard", 7 * dayMs],
    ["audit", 30 * dayMs],
  ])("%s ends after %d ms, and nothing is left", async (retention, keptFor) => {
    const pointer = await saved({ content: "a", retention });
    api.core.clock.jump(keptFor - 1);
    expect(await api.core.artifacts.deleteExpired()).toBe(0);
    expect((await api.ask("GET", at(pointer))).status).toBe(200);
    api.core.clock.jump(1);
    expect((await api.ask("GET", at(pointer))).status).toBe(404);
    expect((await api.ask("GET", v1)).json).toMatchObject({ items: [] });
    expect(await api.core.artifacts.deleteExpired()).toBe(1);
    for (const kind of ["artifact", "artifact-content", "artifact-listed", "artifact-expiry", "artifact-room"])
      expect(await api.core.store.listDocuments(kind, "", 10)).toEqual([]);
  });

  test("is swept with that of closed runs", async () => {
    await saved({ content: "a", retention: "short" });
    api.core.clock.advance(24 * hourMs);
    while ((await api.core.store.listDocuments("artifact", "", 1)).length > 0) await turn();
  });
});

test("what is kept for audit is in the ledger when it comes and when it goes", async () => {
  await saved({ content: "a" });
  const [first, second] = [await saved({ content: "b", retention: "audit" }), await saved({ content: "c", retention: "audit" })];
  await api.ask("DELETE", at(first), { as: "bob" });
  api.core.clock.jump(30 * dayMs);
  await api.core.artifacts.deleteExpired();
  const what = { size_bytes: 1, content_type: "text/plain; charset=utf-8", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) };
  expect(await recorded()).toEqual([
    { act: "artifact-saved", by: "ada", artifact_ptr: first, ...what },
    { act: "artifact-saved", by: "ada", artifact_ptr: second, ...what },
    { act: "artifact-deleted", by: "bob", artifact_ptr: first, ...what },
    { act: "artifact-expired", by: null, artifact_ptr: second, ...what },
  ]);
});
