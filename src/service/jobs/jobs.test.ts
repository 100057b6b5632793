import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { minuteMs, secondMs } from "../../base/time.ts";
import type { Json } from "../../dag/json.ts";
import { fromPayloads, toPayload } from "../../dag/payload.ts";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { make } from "../../protocol/codec.ts";
import { Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { ApplicationFailureInfo, Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { openCore, openTestStore, type TestCore, turn } from "../service.test-kit.ts";
import { createLeases, type Lease, type LeaseEnd } from "../workers/leases.ts";
import { createTaskTokens } from "../workers/task-token.ts";
import type { Job } from "./job.ts";
import type { JobState } from "./job-record.ts";
import type { WantedJob } from "./jobs.ts";

const ann = { namespace: "default", by: "ann" };
const worker = { namespace: "default", workerId: "worker-1" };

const wanted = (fields: Partial<WantedJob> = {}): WantedJob => ({
  topic: "job.deploy",
  priority: "interactive",
  labels: {},
  capability: null,
  riskTags: [],
  requires: [],
  packId: null,
  actorId: null,
  actorType: null,
  teamId: null,
  projectId: null,
  idempotencyKey: null,
  deadlineMs: null,
  timeoutMs: minuteMs,
  heartbeatTimeoutMs: null,
  maxAttempts: 1,
  backoffMs: secondMs,
  input: { service: "shop" },
  ...fields,
});

function agreed<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`);
  return result.value;
}

let core: TestCore;
beforeEach(async () => {
  core = await openCore();
});
afterEach(async () => {
  await core.stop();
  await core.store.close();
});

const submit = async (fields: Partial<WantedJob> = {}): Promise<string> => agreed(await core.jobs.submit(ann, wanted(fields))).jobId;
const get = async (jobId: string): Promise<Job> => agreed(await core.jobs.get("default", jobId));
const take = async (taskQueue = "job.deploy"): Promise<Lease> => {
  const lease = agreed(await core.leases.take(worker, { taskQueue, wait: minuteMs, signal: new AbortController().signal }));
  if (lease === null) throw new Error("there was no task");
  return lease;
};
const end = async ({ token }: Lease, how: LeaseEnd) => core.leases.end(worker, { token, end: how });
const payloads = (value: Json): Payloads => make(Payloads, { payloads: [toPayload(value)] });
const completed = (value: Json): LeaseEnd => ({ how: "completed", result: payloads(value) });
const failed = ({ type = "Broken", nonRetryable = false } = {}): LeaseEnd => ({
  how: "failed",
  failure: make(Failure, {
    message: "it broke",
    failureInfo: { $case: "applicationFailureInfo", value: make(ApplicationFailureInfo, { type, nonRetryable }) },
  }),
});

const turnsMax = 5_000;
async function reaches(jobId: string, state: JobState): Promise<Job> {
  for (let turns = 0; turns < turnsMax; turns++) {
    const job = await get(jobId);
    if (job.state === state) return job;
    await turn();
  }
  throw new Error(`it is ${(await get(jobId)).state}, and never ${state}`);
}
const dead = async (fields: Partial<WantedJob> = {}): Promise<string> => {
  const jobId = await submit(fields);
  await end(await take(fields.topic), failed({ nonRetryable: true }));
  await reaches(jobId, "FAILED");
  return jobId;
};

test("a job waits for a worker, is done by one, and ends with what that gave", async () => {
  const jobId = await submit();
  await reaches(jobId, "DISPATCHED");
  const lease = await take();
  expect(lease.task.activityType?.name).toBe("job.deploy");
  expect(fromPayloads(lease.task.input)).toEqual({ service: "shop" });
  expect(await get(jobId)).toMatchObject({ state: "RUNNING", attempts: 1, principal: "ann" });
  expect(agreed(await end(lease, completed({ version: 7 })))).toBeUndefined();
  const { history } = await reaches(jobId, "SUCCEEDED");
  expect(history.end?.how === "succeeded" && fromPayloads(history.end.result)).toEqual({ version: 7 });
});

test("a job answers what it is called, what it was given and what it gave, also when it is over", async () => {
  const asked = async (jobId: string, name: string) => core.dag.runs.query("default", jobId, { name, args: null });
  const jobId = await submit();
  await reaches(jobId, "DISPATCHED");
  expect(agreed(await asked(jobId, "status"))).toBe("DISPATCHED");
  expect(agreed(await asked(jobId, "output"))).toBeNull();
  await end(await take(), completed({ version: 7 }));
  await reaches(jobId, "SUCCEEDED");
  const answers = await Promise.all(["status", "input", "output"].map((name) => asked(jobId, name)));
  expect(answers.map(agreed)).toEqual(["SUCCEEDED", { service: "shop" }, { version: 7 }]);
  expect(await asked(jobId, "steps")).toMatchObject({
    ok: false,
    error: { kind: "query-failed", message: "a job answers status, input, output, not `steps`" },
  });
});

test("a job that fails is tried as often as it may be", async () => {
  const jobId = await submit({ maxAttempts: 2 });
  await end(await take(), failed());
  expect(await reaches(jobId, "SCHEDULED")).toMatchObject({ attempts: 1, failure: { message: "it broke", type: "Broken" } });
  core.clock.advance(secondMs);
  await end(await take(), failed());
  expect(await reaches(jobId, "FAILED")).toMatchObject({ attempts: 2, failure: { message: "it broke", type: "Broken" } });
});

test.each<[string, Partial<WantedJob>, boolean]>([
  ["the deadline of a job that no worker takes", { deadlineMs: minuteMs }, false],
  ["the time-out of an attempt", { timeoutMs: minuteMs }, true],
  ["a heartbeat that is missed", { timeoutMs: 10 * minuteMs, heartbeatTimeoutMs: minuteMs }, true],
])("%s ends it", async (_what, fields, taken) => {
  const jobId = await submit(fields);
  await reaches(jobId, "DISPATCHED");
  const lease = taken ? await take() : null;
  core.clock.advance(minuteMs);
  await reaches(jobId, "TIMEOUT");
  if (lease !== null) expect(await end(lease, completed(1))).toEqual({ ok: false, error: { kind: "lease-gone" } });
});

describe("a cancellation", () => {
  test("ends a job at once, and its worker hears of it", async () => {
    const jobId = await submit();
    const lease = await take();
    expect(agreed(await core.jobs.cancel(ann, jobId))).toEqual({ state: "CANCELLED", hadEnded: false });
    expect(agreed(await core.leases.heartbeat(worker, { token: lease.token, details: undefined }))).toEqual({
      cancelRequested: true,
      isGone: true,
    });
    expect(await end(lease, completed(1))).toEqual({ ok: false, error: { kind: "lease-gone" } });
  });

  test("changes nothing of a job that has ended", async () => {
    const jobId = await submit();
    await end(await take(), completed(1));
    await reaches(jobId, "SUCCEEDED");
    expect(agreed(await core.jobs.cancel(ann, jobId))).toEqual({ state: "SUCCEEDED", hadEnded: true });
  });
});

describe("one idempotency key", () => {
  test("is one job, however often it is asked for at once", async () => {
    const asked = await Promise.all(Array.from({ length: 100 }, () => core.jobs.submit(ann, wanted({ idempotencyKey: "order-7" }))));
    expect(new Set(asked.map((answer) => JSON.stringify(agreed(answer)))).size).toBe(1);
    const listed = agreed(await core.jobs.list("default", { filter: anyJob, limit: 10, after: null }));
    expect(listed.jobs).toHaveLength(1);
  });

  test("is the same job when that has ended, and refused for another one", async () => {
    const jobId = await submit({ idempotencyKey: "order-7" });
    await end(await take(), completed(1));
    await reaches(jobId, "SUCCEEDED");
    expect(await submit({ idempotencyKey: "order-7" })).toBe(jobId);
    const other = await core.jobs.submit(ann, wanted({ idempotencyKey: "order-7", input: { service: "bank" } }));
    expect(other).toEqual({ ok: false, error: { kind: "idempotency-key-reused" } });
  });
});

const anyJob = { topic: null, states: null, teamId: null, traceId: null, updatedAfter: null, updatedBefore: null };

test("lists are narrowed by what is asked for, and go on where they ended", async () => {
  const done = await submit({ topic: "job.a", teamId: "core" });
  await end(await take("job.a"), completed(1));
  await reaches(done, "SUCCEEDED");
  core.clock.advance(secondMs);
  const broken = await dead({ topic: "job.b" });
  core.clock.advance(secondMs);
  const waiting = await submit({ topic: "job.b" });
  await reaches(waiting, "DISPATCHED");
  const list = async (filter: object) =>
    agreed(await core.jobs.list("default", { filter: { ...anyJob, ...filter }, limit: 10, after: null })).jobs.map(({ jobId }) => jobId);
  expect(await list({})).toEqual([waiting, broken, done]);
  expect(await list({ topic: "job.b" })).toEqual([waiting, broken]);
  expect(await list({ topic: "job.b", states: ["FAILED"] })).toEqual([broken]);
  expect(await list({ states: ["DISPATCHED", "SUCCEEDED"] })).toEqual([waiting, done]);
  expect(await list({ states: ["APPROVAL_REQUIRED"] })).toEqual([]);
  expect(await list({ teamId: "core" })).toEqual([done]);
  const first = agreed(await core.jobs.list("default", { filter: anyJob, limit: 2, after: null }));
  const second = agreed(await core.jobs.list("default", { filter: anyJob, limit: 2, after: first.next }));
  expect([...first.jobs, ...second.jobs].map(({ jobId }) => jobId)).toEqual([waiting, broken, done]);
  expect(second.next).toBeNull();
});

describe("under a policy", () => {
  const policy = `
version: v1
default_decision: deny
rules:
  - { id: reads, match: { topic: job.read, kinds: [job] }, decision: allow }
  - { id: patches-are-reviewed, match: { topic: job.patch }, decision: require_approval, reason: a person looks at patches }
  - id: no-prod
    match: { topic: job.deploy, risk_tags: [prod] }
    decision: deny
    reason: nothing goes to production
    remediations:
      - { id: staging, title: Deploy to staging, replacement_topic: job.read, add_labels: { env: staging }, remove_labels: [tier] }
`;
  beforeEach(() => core.kernel.enforce(snapshotFrom(policy)));

  test("a job is decided as a job, once", async () => {
    const jobId = await submit({ topic: "job.read", riskTags: ["pii"], labels: { env: "dev" }, capability: "repo.read" });
    await take("job.read");
    const decisions = agreed(await core.jobs.decisions("default", jobId, 50));
    expect(decisions).toMatchObject([
      {
        effect: "ALLOW",
        rule: "reads",
        kind: "job",
        topic: "job.read",
        risk_tags: ["pii"],
        labels: { env: "dev" },
        capability: "repo.read",
      },
    ]);
  });

  test("a job that is denied ends so, and offers what is safer", async () => {
    const jobId = await submit({ riskTags: ["prod"], labels: { tier: "1", app: "shop" } });
    expect(await reaches(jobId, "DENIED")).toMatchObject({
      attempts: 0,
      failure: { message: "nothing goes to production", type: "PolicyDenied" },
    });
    const remedied = agreed(await core.jobs.remediate(ann, jobId, null));
    expect(agreed(await core.jobs.remediate(ann, jobId, "staging"))).toEqual(remedied);
    const { record } = await reaches(remedied.jobId, "DISPATCHED");
    expect(record).toMatchObject({
      topic: "job.read",
      taskQueue: "job.read",
      riskTags: ["prod"],
      labels: { app: "shop", env: "staging", remediation_of: jobId, remediation_id: "staging" },
      parent: { jobId, by: "remediation", remediationId: "staging" },
    });
    expect(await core.jobs.remediate(ann, jobId, "another")).toEqual({ ok: false, error: { kind: "no-such-remediation" } });
    expect(await core.jobs.remediate(ann, remedied.jobId, null)).toEqual({ ok: false, error: { kind: "no-remediations" } });
  });

  test("a job waits for people, and goes on when they grant it", async () => {
    const jobId = await submit({ topic: "job.patch" });
    await reaches(jobId, "APPROVAL_REQUIRED");
    const { approval } = agreed(await core.jobs.get("default", jobId));
    if (approval === null) throw new Error("nobody is asked");
    expect(approval).toMatchObject({ kind: "job", topic: "job.patch" });
    const voter = { id: "ben", kind: "human", roles: [] } as const;
    const vote = { voter, verdict: "grant", reason: "", jobHash: null, policySnapshot: null } as const;
    expect(await core.approvals.vote({ namespace: "default", id: approval.id }, vote)).toMatchObject({ ok: true });
    await end(await take("job.patch"), completed(1));
    await reaches(jobId, "SUCCEEDED");
  });

  test("a job that people reject is denied; one that is cancelled asks nobody any more", async () => {
    const [rejected, cancelled] = [await submit({ topic: "job.patch" }), await submit({ topic: "job.patch" })];
    await reaches(rejected, "APPROVAL_REQUIRED");
    await reaches(cancelled, "APPROVAL_REQUIRED");
    const { approval } = agreed(await core.jobs.get("default", rejected));
    const voter = { id: "ben", kind: "human", roles: [] } as const;
    const vote = { voter, verdict: "reject", reason: "not today", jobHash: null, policySnapshot: null } as const;
    await core.approvals.vote({ namespace: "default", id: approval?.id ?? "" }, vote);
    await reaches(rejected, "DENIED");
    expect(agreed(await core.jobs.cancel(ann, cancelled))).toMatchObject({ state: "CANCELLED" });
  });

  test("a retry is decided again, with everything that a rule may look at", async () => {
    const jobId = await submit({ riskTags: ["prod"], labels: { app: "shop" }, capability: "deploy.apply", requires: ["docker"] });
    await reaches(jobId, "DENIED");
    const again = agreed(await core.deadLetters.retry(ann, jobId));
    await reaches(again.jobId, "DENIED");
    core.kernel.enforce(snapshotFrom(policy.replace("decision: deny\n    reason", "decision: allow\n    reason")));
    const third = agreed(await core.deadLetters.retry(ann, again.jobId));
    await reaches(third.jobId, "DISPATCHED");
    const [decision] = agreed(await core.jobs.decisions("default", third.jobId, 1));
    expect(decision).toMatchObject({
      effect: "ALLOW",
      rule: "no-prod",
      labels: { app: "shop" },
      risk_tags: ["prod"],
      capability: "deploy.apply",
      requires: ["docker"],
    });
    expect(fromPayloads((await get(third.jobId)).history.input)).toEqual({ service: "shop" });
  });
});

describe("dead letters", () => {
  const any = { topic: null, states: null, teamId: null, closedAfter: null, closedBefore: null };
  const list = async (filter: object = {}) =>
    agreed(await core.deadLetters.list("default", { filter: { ...any, ...filter }, limit: 50, after: null })).jobs.map(
      ({ jobId }) => jobId,
    );

  test("are what failed for good, until somebody has seen to it", async () => {
    const done = await submit();
    await end(await take(), completed(1));
    await reaches(done, "SUCCEEDED");
    const [first, second] = [await dead(), await dead({ topic: "job.other" })];
    expect(new Set(await list())).toEqual(new Set([first, second]));
    expect(await list({ topic: "job.other" })).toEqual([second]);
    expect(await list({ states: ["TIMEOUT"] })).toEqual([]);
    expect(agreed(await core.deadLetters.get("default", first)).history.length).toBeGreaterThan(5);
    const again = agreed(await core.deadLetters.retry(ann, first));
    expect(agreed(await core.deadLetters.retry(ann, first))).toEqual(again);
    expect(await get(again.jobId)).toMatchObject({ record: { parent: { jobId: first, by: "retry" } } });
    expect(await list()).toEqual([second]);
    expect(agreed(await core.deadLetters.remove(ann, second))).toBeUndefined();
    expect(await list()).toEqual([]);
    const gone = { ok: false, error: { kind: "no-such-dead-letter" } };
    for (const id of [done, second, "nothing"]) expect(await core.deadLetters.retry(ann, id)).toEqual(gone);
    for (const id of [done, first, second]) expect(await core.deadLetters.remove(ann, id)).toEqual(gone);
    expect(await get(second)).toMatchObject({ state: "FAILED" });
  });

  test("are found behind a thousand that were seen to", async () => {
    const old = await dead();
    core.clock.advance(secondMs);
    const policy = "version: v1\nrules: [{ id: no, match: { topic: job.denied }, decision: deny }]";
    core.kernel.enforce(snapshotFrom(policy));
    const denied = await Promise.all(Array.from({ length: 1_050 }, () => submit({ topic: "job.denied" })));
    for (const id of denied) await reaches(id, "DENIED");
    for (let left = true; left; ) left = agreed(await core.deadLetters.removeAll(ann, { ...any, topic: "job.denied" })).left;
    expect(agreed(await core.deadLetters.removeAll(ann, any))).toEqual({ done: [old], left: false });
  });

  test("are retried or removed by a filter", async () => {
    const [a, b, c] = [await dead({ topic: "job.a" }), await dead({ topic: "job.a" }), await dead({ topic: "job.b" })];
    const retried = agreed(await core.deadLetters.retryAll(ann, { ...any, topic: "job.a" }));
    expect(new Set(retried.done.map((one) => one.retried))).toEqual(new Set([a, b]));
    expect(retried.left).toBe(false);
    expect(agreed(await core.deadLetters.removeAll(ann, any))).toEqual({ done: [c], left: false });
    expect(await list()).toEqual([]);
  });
});

describe("leases", () => {
  test("belong to a tenant", async () => {
    await submit();
    const { token } = await take();
    const other = { namespace: "other", workerId: "worker-1" };
    const none = { ok: false, error: { kind: "no-such-lease" } };
    expect(await core.leases.heartbeat(other, { token, details: undefined })).toEqual(none);
    expect(await core.leases.end(other, { token, end: completed(1) })).toEqual(none);
    expect(await core.leases.end(worker, { token: Buffer.from("made up"), end: completed(1) })).toEqual(none);
  });

  test("are not given of the server's own queues", async () => {
    for (const taskQueue of ["holdfast", "holdfast-jobs", "holdfast-dag"]) {
      const taken = await core.leases.take(worker, { taskQueue, wait: 0, signal: new AbortController().signal });
      expect(taken).toMatchObject({ ok: false, error: { refusal: { kind: "invalid-argument" } } });
    }
  });

  test("wait only as many at one time as may", async () => {
    const { services } = core;
    const leases = createLeases({ namespaces: { byId: () => undefined }, services, tokens: createTaskTokens(null), waitingMax: 1 });
    const leaving = new AbortController();
    const asked = { taskQueue: "job.none", wait: minuteMs, signal: leaving.signal };
    const first = leases.take(worker, asked);
    expect(await leases.take(worker, asked)).toEqual({ ok: false, error: { kind: "too-many-leases" } });
    leaving.abort();
    expect(agreed(await first)).toBeNull();
    expect(agreed(await leases.take(worker, { ...asked, wait: 0, signal: new AbortController().signal }))).toBeNull();
  });

  test("that nobody waits for any more take no task", async () => {
    const leaving = new AbortController();
    const waiting = core.leases.take(worker, { taskQueue: "job.deploy", wait: minuteMs, signal: leaving.signal });
    leaving.abort();
    expect(agreed(await waiting)).toBeNull();
    const jobId = await submit();
    await reaches(jobId, "DISPATCHED");
    await end(await take(), completed(1));
    await reaches(jobId, "SUCCEEDED");
  });
});

test("jobs go on where they were after a restart", async () => {
  const store = await openTestStore();
  const first = await openCore({ store });
  const submitted = agreed(await first.jobs.submit(ann, wanted({ idempotencyKey: "k" })));
  const lease = agreed(await first.leases.take(worker, { taskQueue: "job.deploy", wait: minuteMs, signal: new AbortController().signal }));
  await first.stop();
  const second = await openCore({ store });
  try {
    expect(agreed(await second.jobs.submit(ann, wanted({ idempotencyKey: "k" })))).toEqual(submitted);
    await second.leases.end(worker, { token: lease?.token ?? new Uint8Array(), end: completed("done") });
    for (let turns = 0; agreed(await second.jobs.get("default", submitted.jobId)).state !== "SUCCEEDED"; turns++) {
      if (turns > turnsMax) throw new Error("it never succeeded");
      await turn();
    }
  } finally {
    await second.stop();
    await store.close();
  }
});
