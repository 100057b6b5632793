import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { complete, fail, shows, take } from "../service/dag/dag.test-kit.ts";
import { type Outcome, run } from "./cli.test-kit.ts";

const definition = `# how an order leaves the house
id: ship
name: Shipping
steps:
  pack: { topic: job.pack }
  send: { topic: job.send, depends_on: [pack] }
`;
let api: TestApi;
let folder: string;
let file: string;
beforeEach(async () => {
  api = await openApi("default_decision: allow\nrules: [{ id: look, match: { topics: [job.send] }, decision: allow, reason: it may go }]");
  folder = mkdtempSync(join(tmpdir(), "holdfast-cli-"));
  file = join(folder, "ship.yaml");
  writeFileSync(file, definition);
});
afterEach(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

const holdfast = (...args: readonly string[]): Promise<Outcome> => run([...args, "--address", new URL(api.url).host]);
const printed = async (...args: readonly string[]): Promise<string> => {
  const { exitCode, complaints, printed: text } = await holdfast(...args);
  expect([exitCode, complaints]).toEqual([0, ""]);
  return text;
};
const start = async (): Promise<string> => {
  await holdfast("workflow", "create", file);
  return printed("run", "start", "ship", "--input", '{"order": 7}', "--as", "ada", "--label", "team=ops");
};

test("workflows are created, listed, read and deleted", async () => {
  expect(await printed("workflow", "list")).toBe("there are no workflows");
  expect(await printed("workflow", "create", file, "--as", "ada")).toBe("saved ship");
  const [header = "", row = ""] = (await printed("workflow", "list")).split("\n");
  expect(header).toMatch(/^ID +NAME +VERSION +STEPS +CHANGED +BY$/);
  expect(row).toMatch(/^ship +Shipping +2 +2026-01-01T00:00:00.000Z +ada$/);
  expect(await printed("workflow", "get", "ship")).toBe(definition.trimEnd());
  expect(JSON.parse(await printed("workflow", "get", "ship", "--json"))).toMatchObject({ id: "ship", source: definition });
  expect(await printed("workflow", "delete", "ship")).toBe("deleted ship");
  expect(await holdfast("workflow", "get", "ship")).toMatchObject({
    exitCode: 1,
    printed: "",
    complaints: "holdfast: workflow not found (no-such-workflow)",
  });
});

test("what is wrong with a definition is said with its place", async () => {
  writeFileSync(file, "steps:\n  a: { topic: job.a, depends_on: [b] }\n");
  const { exitCode, complaints } = await holdfast("workflow", "create", file);
  expect([exitCode, complaints]).toEqual([1, expect.stringMatching(/^holdfast: 2:\d+: there is no step `b`.* \(invalid-workflow\)$/)]);
});

test("a run is started, listed, shown and watched to its end", async () => {
  const runId = await start();
  expect(runId).toMatch(/^[0-9a-f-]{36}$/);
  await complete(api.core, await take(api.core, "job.pack"), { box: 3 });
  await complete(api.core, await take(api.core, "job.send"));
  await shows(api.core, runId, ({ status }) => status === "succeeded");
  const [, row = ""] = (await printed("run", "list", "--workflow", "ship", "--status", "succeeded")).split("\n");
  expect(row).toMatch(new RegExp(`^${runId} +ship +succeeded +2026-01-01T00:00:00.000Z +2026-01-01T00:00:00.000Z +ada$`));
  expect((await printed("run", "show", runId)).split("\n")).toEqual([
    `Run       ${runId}`,
    "Workflow  ship",
    "Status    succeeded",
    "Started   2026-01-01T00:00:00.000Z by ada",
    "Ended     2026-01-01T00:00:00.000Z",
    "Labels    team=ops",
    'Input     {"order":7}',
    "",
    expect.stringMatching(/^STEP +STATUS +ATTEMPTS +STARTED +ENDED +MESSAGE$/),
    expect.stringMatching(/^pack +succeeded +1 /),
    expect.stringMatching(/^send +succeeded +1 /),
  ]);
  expect((await printed("run", "timeline", runId)).split("\n")[1]).toMatch(/^2026-01-01T00:00:00.000Z +run_status +running$/);
  const watched = (await printed("run", "watch", runId)).split("\n");
  expect(watched.at(-1)).toBe("2026-01-01T00:00:00.000Z run_status succeeded");
});

test("a run is removed, also one that is open", async () => {
  const runId = await start();
  expect(await printed("run", "delete", runId)).toBe(`deleted ${runId}`);
  expect(await holdfast("run", "show", runId)).toMatchObject({ exitCode: 1, complaints: expect.stringContaining("(no-such-run)") });
});

test("watching a run says what it waits for people to decide", async () => {
  writeFileSync(file, "id: ship\nsteps:\n  gate: { type: approval, name: Ship it }\n");
  const runId = await start();
  const watching = printed("run", "watch", runId);
  const waiting = (): Promise<{ readonly items: readonly { readonly id: string }[] }> =>
    api.ask("GET", "/api/v1/approvals").then(({ json }) => json as never);
  let found = (await waiting()).items;
  while (found.length === 0) found = (await waiting()).items;
  const [{ id } = { id: "" }] = found;
  await holdfast("approval", "approve", id, "--as", "grace");
  const told = (await watching).split("\n").filter((line) => line.includes("holdfast approval show"));
  expect(told).toEqual([
    expect.stringMatching(new RegExp(`Ship it, asked by ada .* waits for anybody who is named: holdfast approval show ${id}$`)),
  ]);
});

test("watching a run that fails ends with exit code 1, and it is run again from the step that failed", async () => {
  const runId = await start();
  await complete(api.core, await take(api.core, "job.pack"));
  await fail(api.core, await take(api.core, "job.send"), { nonRetryable: true });
  await shows(api.core, runId, ({ status }) => status === "failed");
  expect((await holdfast("run", "watch", runId)).exitCode).toBe(1);
  expect(await printed("run", "show", runId)).toContain("Because   step `send` failed: broken");
  const again = await printed("run", "rerun", runId, "--from-step", "send");
  expect((await take(api.core, "job.send")).task.workflowExecution?.workflowId).toBe(again);
  expect(await printed("run", "show", again)).toContain(`Rerun of  ${runId} from send`);
});

test("a dry run shows what the policy says, and starts nothing", async () => {
  await holdfast("workflow", "create", file);
  const plan = (await printed("run", "start", "ship", "--dry-run")).split("\n");
  expect(plan[2]).toMatch(/^send +job +job\.send +job\.send +allow +look +it may go$/);
  expect(await printed("run", "list")).toBe("there are no such runs");
});

test("a run is signalled, cancelled and terminated", async () => {
  writeFileSync(file, "id: wait\nsteps:\n  go: { type: signal }\n");
  await holdfast("workflow", "create", file);
  const first = await printed("run", "start", "wait", "--key", "one");
  expect(await printed("run", "start", "wait", "--key", "one")).toBe(first);
  expect(await printed("run", "signal", first, "go", "--payload", '{"by": "ada"}')).toBe("sent go");
  const view = await shows(api.core, first, ({ status }) => status === "succeeded");
  expect(view.steps.go?.output).toEqual({ by: "ada" });
  const second = await printed("run", "start", "wait");
  expect(await printed("run", "cancel", second, "--reason", "no")).toBe(`asked to cancel ${second}`);
  const third = await printed("run", "start", "wait");
  expect(await printed("run", "terminate", third)).toBe(`terminated ${third}`);
  expect(await holdfast("run", "cancel", third)).toMatchObject({ exitCode: 1, complaints: "holdfast: this run has ended (run-ended)" });
});

test.each([
  [["run", "start", "ship", "--input", "{"], /expected JSON, or @file/],
  [["run", "start", "ship", "--label", "team"], /--label: expected name=value, not `team`/],
  [["workflow", "create", "/nowhere.yaml"], /cannot read \/nowhere\.yaml/],
])("%j is wrong usage", async (args, complaint) => {
  expect(await holdfast(...args)).toMatchObject({ exitCode: 2, complaints: expect.stringMatching(complaint) });
});
