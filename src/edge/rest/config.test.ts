import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { complete, shows, take } from "../../service/dag/dag.test-kit.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const v1 = "/api/v1";
const yaml = { "content-type": "application/yaml" };

let api: TestApi;
beforeEach(async () => {
  api = await openApi();
});
afterEach(() => api.close());

const put = (scope: string, scopeId: string, data: object, headers = {}) =>
  api.ask("PUT", `${v1}/config?scope=${scope}&scope_id=${scopeId}`, { as: "ada", body: { data }, headers });
const effective = (query = "") => api.ask("GET", `${v1}/config/effective${query}`);

describe("configuration", () => {
  test("is kept by scope, names its version by a tag, and each change is in the ledger", async () => {
    expect((await api.ask("POST", `${v1}/config`, { as: "ada", body: { data: { limit: 1 }, meta: { note: "first" } } })).status).toBe(204);
    const got = await api.ask("GET", `${v1}/config`);
    expect(got.json).toMatchObject({
      scope: "system",
      scope_id: "default",
      data: { limit: 1 },
      meta: { note: "first" },
      revision: 1,
      updated_by: "ada",
    });
    const again = await put("system", "default", { limit: 2 }, { "if-match": got.etag });
    expect({ status: again.status, json: again.json }).toMatchObject({ status: 200, json: { data: { limit: 2 }, meta: {}, revision: 2 } });
    expect(await put("system", "default", { limit: 3 }, { "if-match": got.etag })).toMatchObject({
      status: 412,
      json: { code: "config-changed" },
    });
    expect((await put("system", "default", { limit: 2 })).json.revision).toBe(2);
    const { json } = await api.ask("GET", `${v1}/audit?kind=administration`);
    const said = [...(json.items ?? [])].map(({ body }) => body);
    expect(said).toMatchObject([
      { act: "config-saved", by: "ada", scope: "system", scope_id: "default", revision: 1, hash_before: null, keys: ["limit"] },
      { act: "config-saved", revision: 2, hash_before: said[0]?.hash },
    ]);
  });

  test("of a step is that of the system, less what its org, team, workflow and itself say otherwise", async () => {
    await put("system", "default", { a: 1, b: { x: 1 }, c: 1 });
    await put("org", "acme", { b: { y: 2 } });
    await put("workflow", "ship", { c: 3 });
    await put("step", "pack", { d: 4 });
    const { json, etag } = await effective("?org_id=acme&team_id=none&workflow_id=ship&step_id=pack");
    expect(json).toEqual({
      version: "system:1|org:1|team:0|workflow:1|step:1",
      hash: etag.replaceAll('"', ""),
      data: { a: 1, b: { y: 2 }, c: 3, d: 4 },
    });
    expect((await effective()).json.data).toEqual({ a: 1, b: { x: 1 }, c: 1 });
  });

  const deep = (levels: number): object => (levels === 0 ? {} : { a: deep(levels - 1) });
  test.each([
    ["nested too deeply", { body: { data: deep(40) } }, 400, "bad-config"],
    ["too large", { body: { data: { a: "x".repeat(70_000) } } }, 400, "bad-config"],
    ["the key of a prototype", { text: '{"data": {"a": {"prototype": 1}}}' }, 400, "bad-config"],
    ["a limit that would limit nothing", { body: { data: { limits: { max_concurrent_runs: 3 } } } }, 400, "bad-config"],
    ["the key that is the prototype", { text: '{"data": {"__proto__": 1}}' }, 400, "bad-json"],
    ["a scope id that is none", { body: { scope: "org", scope_id: "a/b", data: {} } }, 400, "bad-config"],
    ["another document of the system", { body: { scope_id: "other", data: {} } }, 400, "bad-config"],
    ["no such scope", { body: { scope: "galaxy", data: {} } }, 400, "invalid-request"],
    ["a list", { body: { data: [] } }, 400, "invalid-request"],
    ["a condition that is none", { body: { data: {} }, headers: { "if-match": "x" } }, 400, "bad-condition"],
    ["no such tenant", { body: { data: {} }, headers: { "x-tenant-id": "nowhere" } }, 404, "no-such-namespace"],
  ])("%s is refused", async (_, asked, status, code) => {
    expect(await api.ask("POST", `${v1}/config`, asked)).toMatchObject({ status, json: { code } });
  });

  test("belongs to its tenant", async () => {
    await put("org", "acme", { a: 1 });
    const other = { headers: { "x-tenant-id": "other" } };
    expect((await api.ask("GET", `${v1}/config?scope=org&scope_id=acme`, other)).json.code).toBe("no-such-config");
    expect((await api.ask("GET", `${v1}/config/effective?org_id=acme`, other)).json.data).toEqual({});
  });
});

describe("a run", () => {
  const text = `id: ship
org_id: acme
config: { region: home, mode: "safe" }
steps:
  pack: { topic: job.pack, input: { region: "\${config.region}", mode: "\${config.mode}" } }
  send: { topic: job.send, depends_on: [pack], condition: config.enabled, input: { region: "\${config.region}" } }
output: { region: "\${config.region}" }
`;
  const start = async (): Promise<string> => String((await api.ask("POST", `${v1}/workflows/ship/runs`, { body: {} })).json.run_id);

  test("sees the configuration as it was when it started, and so does a rerun of it", async () => {
    await api.ask("POST", `${v1}/workflows`, { text, headers: yaml });
    await put("org", "acme", { region: "eu", enabled: true });
    await put("step", "send", { region: "us" });
    const runId = await start();
    await put("org", "acme", { region: "moon", enabled: false });
    const pack = await take(api.core, "job.pack");
    expect(pack.input).toEqual({ region: "eu", mode: "safe" });
    await complete(api.core, pack);
    const send = await take(api.core, "job.send");
    expect(send.input).toEqual({ region: "us" });
    await complete(api.core, send);
    const { output } = await shows(api.core, runId, ({ status }) => status === "succeeded");
    expect(output).toEqual({ region: "eu" });
    await api.ask("POST", `${v1}/workflow-runs/${runId}/rerun`, { body: {} });
    expect((await take(api.core, "job.pack")).input).toEqual({ region: "eu", mode: "safe" });
    await start();
    expect((await take(api.core, "job.pack")).input).toEqual({ region: "moon", mode: "safe" });
    const planned = await api.ask("POST", `${v1}/workflows/ship/dry-run`, { body: {} });
    expect(planned.json.steps?.[0]).toMatchObject({ action: { input: { region: "moon" } } });
  });
});
