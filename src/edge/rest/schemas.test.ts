import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { complete, shows, take } from "../../service/dag/dag.test-kit.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const v1 = "/api/v1";
const orders = `${v1}/schemas/acme%2Forder`;
const wantsNumber = { type: "number" };

let api: TestApi;
beforeEach(async () => {
  api = await openApi();
  await save(wantsNumber);
});
afterEach(() => api.close());

const save = (schema: unknown, id = "acme/order", headers = {}) =>
  api.ask("POST", `${v1}/schemas`, { as: "ada", body: { id, schema }, headers });

describe("schemas", () => {
  test("are kept as they were sent, by ids with parts", async () => {
    expect((await save({ type: "string" }, "acme")).status).toBe(204);
    expect((await api.ask("GET", `${v1}/schemas`)).json).toEqual({ schemas: ["acme", "acme/order"] });
    expect((await api.ask("GET", `${v1}/schemas?limit=1`)).json).toEqual({ schemas: ["acme"] });
    expect((await api.ask("GET", orders)).json).toMatchObject({ id: "acme/order", schema: wantsNumber, updated_by: "ada" });
    expect((await api.ask("DELETE", orders)).status).toBe(204);
    expect((await api.ask("GET", orders)).json).toMatchObject({ code: "no-such-schema" });
    expect((await api.ask("DELETE", orders)).json).toMatchObject({ code: "no-such-schema" });
  });

  test.each([true, false])("may be %s alone", async (schema) => {
    expect((await save(schema)).status).toBe(204);
    expect((await api.ask("GET", orders)).json).toMatchObject({ schema });
  });

  test("are replaced only in the place of the version that was seen", async () => {
    const { etag } = await api.ask("GET", orders);
    expect((await save({ type: "string" }, "acme/order", { "if-match": etag })).status).toBe(204);
    expect((await save({ type: "object" }, "acme/order", { "if-match": etag })).json).toMatchObject({
      status: 412,
      code: "schema-changed",
    });
    expect((await api.ask("GET", orders)).json).toMatchObject({ schema: { type: "string" } });
  });

  test("are changed with an entry in the ledger", async () => {
    await save({ type: "string" });
    await api.ask("DELETE", orders, { as: "bob" });
    const { json } = await api.ask("GET", `${v1}/audit?kind=administration`);
    const [first, second, third] = [...(json.items ?? [])].map(({ body }) => body);
    expect(first).toEqual({ act: "schema-saved", by: "ada", schema: "acme/order", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(second).toMatchObject({ act: "schema-saved", by: "ada", sha256_before: first?.sha256 });
    expect(third).toEqual({ act: "schema-deleted", by: "bob", schema: "acme/order", sha256_before: second?.sha256 });
  });

  test("are of one tenant", async () => {
    const headers = { "x-tenant-id": "other" };
    expect((await api.ask("GET", orders, { headers })).status).toBe(404);
    expect((await api.ask("GET", `${v1}/schemas`, { headers })).json).toEqual({ schemas: [] });
  });

  test.each([
    ["no schema", "a", { type: "nonsense" }, "invalid-schema"],
    ["a reference to elsewhere", "a", { $ref: "https://example.com/a" }, "invalid-schema"],
    ["a pattern without a bound to its cost", "a", { pattern: "(a+)+$" }, "invalid-schema"],
    ["a schema that is too large", "a", { enum: ["x".repeat(300_000)] }, "invalid-schema"],
    ["a list", "a", [], "invalid-request"],
    ["no id", "", {}, "bad-schema-id"],
    ["an id that is a path upwards", "../a", {}, "bad-schema-id"],
  ])("%s is refused", async (_, id, schema, code) => {
    expect((await save(schema, id)).json).toMatchObject({ status: 400, code });
  });
});

describe("a workflow that names a schema", () => {
  const define = () =>
    api.ask("POST", `${v1}/workflows`, { body: { id: "asks", steps: { ask: { topic: "job.ask", output_schema_id: "acme/order" } } } });
  const answered = async (output: number | string): Promise<string> => {
    const { json } = await api.ask("POST", `${v1}/workflows/asks/runs`, { body: {} });
    await complete(api.core, await take(api.core, "job.ask"), output);
    return (await shows(api.core, String(json.run_id), ({ status }) => status !== "running" && status !== "pending")).status;
  };

  test("has its steps checked by it", async () => {
    await define();
    expect([await answered(7), await answered("seven")]).toEqual(["succeeded", "failed"]);
  });

  test("keeps the one that it was created with until it is sent again, and is another version then", async () => {
    const { etag } = await define();
    await save({ type: "string" });
    expect([await answered(7), await answered("seven")]).toEqual(["succeeded", "failed"]);
    expect((await define()).etag).not.toBe(etag);
    expect([await answered(7), await answered("seven")]).toEqual(["failed", "succeeded"]);
    await api.ask("DELETE", orders);
    expect(await answered("seven")).toBe("succeeded");
  });

  test("is refused without it, with its place", async () => {
    await api.ask("DELETE", orders);
    expect((await define()).json).toMatchObject({
      code: "invalid-workflow",
      errors: [{ detail: "there is no schema `acme/order`", line: 1 }],
    });
  });

  test("does not find the schema of another tenant", async () => {
    const text = "id: a\nsteps: { a: { topic: job.a, input_schema_id: acme/order } }";
    const headers = { "content-type": "application/yaml", "x-tenant-id": "other" };
    expect((await api.ask("POST", `${v1}/workflows`, { text, headers })).json).toMatchObject({ code: "invalid-workflow" });
  });
});
