import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toPayload } from "../../dag/payload.ts";
import { make } from "../../protocol/codec.ts";
import { Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { RespondActivityTaskCompletedRequest } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { accepted, openCore, patient, type TestCore } from "../service.test-kit.ts";
import { agreed, complete, define, type Job, shown, shows, startRun, take } from "./dag.test-kit.ts";

let core: TestCore;
beforeEach(async () => {
  core = await openCore();
});
afterEach(() => core.stop());

/** As a worker that says what its attempt has used. */
async function completeFor({ task }: Job, usd: number): Promise<void> {
  const payload = toPayload(null);
  payload.metadata["holdfast-usage"] = Buffer.from(JSON.stringify({ usd, tokens: 10 }));
  const request = { namespace: "default", taskToken: task.taskToken, result: make(Payloads, { payloads: [payload] }) };
  accepted(await core.services.respondActivityTaskCompleted(make(RespondActivityTaskCompletedRequest, request), patient));
}

describe("what a run costs", () => {
  test("is what its steps and its subworkflows report, all attempts together, and nothing when nobody reports", async () => {
    await define(core, "id: inner\nsteps:\n  think: { topic: job.inner }\n");
    await define(
      core,
      "id: outer\nsteps:\n  a: { topic: job.a }\n  b: { type: subworkflow, depends_on: [a], input: { workflow_id: inner } }\n",
    );
    const runId = await startRun(core, "outer");
    expect((await shown(core, runId)).cost).toBe(0);
    await completeFor(await take(core, "job.a"), 0.25);
    await completeFor(await take(core, "job.inner"), 1.5);
    await shows(core, runId, ({ status }) => status === "succeeded");
    expect((await shown(core, runId)).cost).toBe(1.75);
    const { runs } = agreed(await core.dag.runs.list("default", { workflowId: "outer", limit: 10, after: null }));
    expect(runs).toMatchObject([{ runId, cost: 1.75, status: "succeeded" }]);
  });
});

describe("a run answers", () => {
  const text = "id: two\nsteps:\n  first: { topic: job.first }\n  go: { type: signal, depends_on: [first] }\n";
  const ask = (runId: string, name: string, args: never[] | string | object = []) =>
    core.dag.runs.query("default", runId, { name, args: args as never });

  test.each([
    ["status", [], "waiting"],
    ["input", [], { n: 1 }],
    ["context", [], {}],
    ["output", [], null],
    ["run", [], expect.objectContaining({ status: "waiting", workflow_id: "two" })],
    ["steps", [], { first: expect.objectContaining({ output: { box: 3 } }), go: expect.objectContaining({ status: "waiting" }) }],
    ["step", ["first"], expect.objectContaining({ step_id: "first", attempts: 1 })],
    ["step", { step_id: "go" }, expect.objectContaining({ step_id: "go" })],
    ["timeline", [{ cursor: 1, limit: 1 }], [expect.objectContaining({ type: "step_dispatched", step_id: "first" })]],
    ["__stack_trace", [], expect.stringMatching(/^go: waiting/)],
    [
      "__temporal_workflow_metadata",
      [],
      expect.objectContaining({
        definition: expect.objectContaining({ type: "two", signalDefinitions: [expect.objectContaining({ name: "go" })] }),
      }),
    ],
  ])("%s %j", async (name, args, answer) => {
    await define(core, text);
    const runId = await startRun(core, "two", { n: 1 });
    await complete(core, await take(core, "job.first"), { box: 3 });
    await shows(core, runId, ({ status }) => status === "waiting");
    expect(agreed(await ask(runId, name, args))).toEqual(answer);
  });

  test.each([
    ["nothing", [], "there is no query `nothing`"],
    ["toString", [], "there is no query `toString`"],
    ["step", ["none"], "there is no step `none`"],
    ["timeline", { limit: 0 }, "`limit`"],
  ])("and says what it does not know: %s %j", async (name, args, message) => {
    await define(core, text);
    const runId = await startRun(core, "two");
    expect(await ask(runId, name, args)).toMatchObject({ error: { kind: "query-failed", message: expect.stringContaining(message) } });
  });
});

test("lists find runs by what is known of them", async () => {
  await define(core, "id: ours\norg_id: acme\nteam_id: blue\nsteps:\n  go: { type: signal }\n");
  await define(core, "id: theirs\nsteps:\n  go: { type: delay, delay: 1h }\n");
  const ours = await startRun(core, "ours");
  core.clock.advance(1_000);
  const later = core.clock.now();
  const theirs = await startRun(core, "theirs");
  await shows(core, ours, ({ status }) => status === "waiting");
  const found = async (filter: object) =>
    agreed(await core.dag.runs.list("default", { ...filter, limit: 10, after: null })).runs.map(({ runId }) => runId);
  expect(await found({ orgId: "acme", teamId: "blue" })).toEqual([ours]);
  expect(await found({ orgId: "other" })).toEqual([]);
  expect(await found({ statuses: ["waiting", "running"] })).toEqual([theirs, ours]);
  expect(await found({ text: "the" })).toEqual([theirs]);
  expect(await found({ text: ours.slice(0, 8) })).toEqual([ours]);
  expect(await found({ traceId: ours })).toEqual([ours]);
  expect(await found({ updatedAfter: later + 1 })).toEqual([]);
  core.clock.advance(5_000);
  agreed(await core.dag.runs.terminate({ namespace: "default", by: "ada" }, ours, ""));
  expect(await found({ updatedAfter: later + 1 })).toEqual([ours]);
  expect(await found({ updatedBefore: later + 1 })).toEqual([theirs]);
});

test("pages of a timeline are its lines, whether they are kept or folded anew", async () => {
  await define(core, "id: three\nsteps:\n  a: { topic: job.a }\n  b: { topic: job.b, depends_on: [a] }\n");
  const runId = await startRun(core, "three");
  const page = async (skip: number, limit: number) => agreed(await core.dag.runs.timeline("default", runId, { skip, limit }));
  const before = await page(0, 100);
  await complete(core, await take(core, "job.a"));
  await take(core, "job.b");
  const after = await page(0, 100);
  expect(after.slice(0, before.length)).toEqual(before);
  expect(after.length).toBeGreaterThan(before.length);
  expect([...(await page(0, 2)), ...(await page(2, 100))]).toEqual(after);
  expect(await page(after.length, 10)).toEqual([]);
});
