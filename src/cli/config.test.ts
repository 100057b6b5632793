import { afterEach, beforeEach, expect, test } from "vitest";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { type Outcome, run } from "./cli.test-kit.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openApi();
});
afterEach(() => api.close());

const holdfast = (...args: readonly string[]): Promise<Outcome> => run([...args, "--address", new URL(api.url).host]);
const printed = async (...args: readonly string[]): Promise<string> => {
  const { exitCode, complaints, printed: text } = await holdfast(...args);
  expect([exitCode, complaints]).toEqual([0, ""]);
  return text;
};

test("configuration is set, read, and merged", async () => {
  expect(await printed("config", "set", '{"region": "eu", "size": 1}', "--as", "ada")).toBe("saved system default, revision 1");
  expect(await printed("config", "set", '{"region": "us"}', "--scope", "org", "--id", "acme")).toBe("saved org acme, revision 1");
  expect(JSON.parse(await printed("config", "get"))).toMatchObject({ data: { region: "eu", size: 1 }, updated_by: "ada" });
  expect(JSON.parse(await printed("config", "effective", "--org", "acme"))).toMatchObject({ data: { region: "us", size: 1 } });
  expect(await holdfast("config", "get", "--scope", "team", "--id", "none")).toMatchObject({
    exitCode: 1,
    complaints: "holdfast: config not found (no-such-config)",
  });
});

test("a run is asked, and its trace shown", async () => {
  const text = "id: wait\nsteps:\n  go: { type: signal }\n";
  await api.ask("POST", "/api/v1/workflows", { text, headers: { "content-type": "application/yaml" } });
  const id = await printed("run", "start", "wait", "--input", '{"order": 7}');
  expect(JSON.parse(await printed("run", "query", id, "input"))).toEqual({ order: 7 });
  expect(JSON.parse(await printed("run", "query", id, "step", "--args", '"go"'))).toMatchObject({ step_id: "go" });
  expect(await holdfast("run", "query", id, "nonsense")).toMatchObject({
    exitCode: 1,
    complaints: expect.stringContaining("there is no query `nonsense`"),
  });
  const [header = "", row = ""] = (await printed("trace", "show", id)).split("\n");
  expect(header).toMatch(/^TIME +KIND +OF +WHAT +STATUS$/);
  expect(row).toContain(id);
  expect(JSON.parse(await printed("trace", "show", id, "--json"))).toContainEqual(expect.objectContaining({ kind: "run", run_id: id }));
});
