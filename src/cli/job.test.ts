import { afterEach, beforeEach, expect, test } from "vitest";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { type Outcome, run } from "./cli.test-kit.ts";

const policy = `
version: v1
default_decision: allow
rules:
  - id: no-prod
    match: { topic: job.deploy, risk_tags: [prod] }
    decision: deny
    reason: nothing goes to production
    remediations: [{ id: staging, title: Deploy to staging, replacement_topic: job.stage }]
`;

let api: TestApi;
beforeEach(async () => {
  api = await openApi(policy);
});
afterEach(() => api.close());

const holdfast = (...args: readonly string[]): Promise<Outcome> => run([...args, "--address", new URL(api.url).host]);
const submit = async (...args: readonly string[]): Promise<string> =>
  (await holdfast("job", "submit", "--topic", "job.deploy", "--input", '{"service":"shop"}', "--as", "ann", ...args)).printed;
async function isIn(id: string, state: string): Promise<void> {
  while (!(await holdfast("job", "show", id)).printed.includes(`State       ${state}`));
}

test("a job is submitted, listed, shown and cancelled", async () => {
  const id = await submit("--label", "env=dev", "--risk-tag", "late", "--attempts", "3", "--deadline", "10m");
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  await isIn(id, "DISPATCHED");
  const [header = "", row = ""] = (await holdfast("job", "list", "--topic", "job.deploy")).printed.split("\n");
  expect(header).toMatch(/^ID +STATE +TOPIC +BY +ATTEMPTS +DECISION +SUBMITTED$/);
  expect(row).toMatch(new RegExp(`^${id} +DISPATCHED +job.deploy +ann +0 +ALLOW +2026-01-01T00:00:00.000Z$`));
  const { printed } = await holdfast("job", "show", id);
  expect(printed).toContain('Input       {"service":"shop"}\n');
  expect(printed).toContain("Labels      env=dev\n");
  expect((await holdfast("job", "cancel", id)).printed).toBe(`${id} is CANCELLED`);
  expect((await holdfast("job", "cancel", id)).printed).toBe(`${id} had ended before: it is CANCELLED`);
  expect((await holdfast("job", "list", "--state", "RUNNING")).printed).toBe("there are no such jobs");
});

test("a job that is denied says why, is a dead letter, and is remediated or retried", async () => {
  const id = await submit("--risk-tag", "prod");
  await isIn(id, "DENIED");
  const decisions = await holdfast("job", "decisions", id);
  expect(decisions.printed).toMatch(/DENY +no-prod +nothing goes to production/);
  const listed = await holdfast("dlq", "list");
  expect(listed.printed).toMatch(new RegExp(`${id} +DENIED +job.deploy +0 +safety_denied +nothing goes to production`));
  const remedy = (await holdfast("job", "remediate", id)).printed;
  expect((await holdfast("job", "show", remedy)).printed).toContain("Topic       job.stage");
  const retried = (await holdfast("dlq", "retry", id)).printed;
  const again = retried.split(" is ")[1]?.replace(" now", "") ?? "";
  await isIn(again, "DENIED");
  expect((await holdfast("dlq", "delete", "--all", "--status", "DENIED")).printed).toBe(again);
  expect((await holdfast("dlq", "list")).printed).toBe("there are no dead letters");
});

test.each([
  [["job", "show", "none"], 1, /job not found \(no-such-job\)/],
  [["job", "submit", "--topic", "deploy", "--prompt", "x"], 1, /topic must start with `job\.`/],
  [["job", "submit", "--input", "{"], 2, /expected JSON/],
  [["job", "submit", "--deadline", "soon"], 2, /expected a duration/],
  [["dlq", "retry"], 2, /name jobs, or say --all/],
  [["dlq", "delete", "none"], 1, /dlq entry not found/],
] as const)("%j is refused", async (args, exitCode, complaint) => {
  expect(await holdfast(...args)).toMatchObject({ exitCode, complaints: expect.stringMatching(complaint) });
});
