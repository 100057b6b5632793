import { describe, expect, test } from "vitest";
import { err, ok } from "../base/result.ts";
import { continueRunAsNew } from "../execution/close.ts";
import { respondWorkflowTaskCompleted } from "../execution/complete-workflow-task.ts";
import { completeRun, startTime, testContext } from "../execution/execution.test-kit.ts";
import { type Draft, openDraft, type RunKey } from "../execution/execution.ts";
import { alreadyCompleted, signal } from "../execution/signal.ts";
import { startedAttributes, startRun } from "../execution/start.ts";
import { admitUpdate } from "../execution/update.ts";
import { scheduleWorkflowTask, startWorkflowTask } from "../execution/workflow-task.ts";
import { make } from "../protocol/codec.ts";
import { TaskToken } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Command } from "../protocol/generated/temporal/api/command/v1/message.ts";
import { ContinueAsNewInitiator } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { WorkflowExecutionContinuedAsNewEventAttributes } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { Request } from "../protocol/generated/temporal/api/update/v1/message.ts";
import {
  RespondWorkflowTaskCompletedRequest,
  StartWorkflowExecutionRequest,
} from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { notFound } from "../protocol/refusal.ts";
import { runKey } from "../store/contract/material.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createCommitter } from "./committer.ts";
import { createRuns, NotCommitted, type RunCell } from "./runs.ts";
import { accepted, eventually, openTestStore, type TestStore, turn } from "./service.test-kit.ts";

/** Runs over a store in memory, where nobody polls and nothing has effects. */
async function open(store?: TestStore) {
  const opened = store ?? (await openTestStore());
  const metrics = createMetrics();
  const committed: RunKey[] = [];
  const contextOf = () => testContext(startTime);
  const runs = createRuns<never>({
    store: opened,
    committer: createCommitter({ store: opened, metrics }),
    metrics,
    contextOf,
    stage: () => ({ putTasks: [], limits: [], committed: () => {}, failed: () => {} }),
    encodeEffects: () => [],
    noted: () => ({ approvals: [], ledger: [] }),
    committed: (parts) => committed.push(...parts.map(({ cell }) => cell.key)),
  });
  return { store: opened, runs, committed, contextOf };
}
type Opened = Awaited<ReturnType<typeof open>>;

const key = runKey(1, "order-7");
const current = { ...key, runId: "" };

async function start({ runs, contextOf }: Opened, of: RunKey = key, expectedRunId: string | null = null): Promise<RunCell> {
  const asked = make(StartWorkflowExecutionRequest, { workflowType: { name: "Order" } });
  const draft = startRun(of, accepted(startedAttributes(of, asked, contextOf())), contextOf());
  scheduleWorkflowTask(draft);
  const cell = runs.create(of);
  await runs.submit([{ cell, draft, becomeCurrent: { expectedRunId } }]);
  return cell;
}
const send =
  (signalName = "go") =>
  (draft: Draft) =>
    signal(draft, { signalName, input: undefined, identity: "", header: undefined, requestId: "", links: [] });
/** A worker takes the workflow task and answers it. */
async function step({ runs, contextOf }: Opened, cell: RunCell, commands: Command[] = []): Promise<void> {
  await runs.transact(cell.key, (draft) => ok(startWorkflowTask(draft, { identity: "", requestId: "", buildId: "" })));
  const { scheduledEventId, startedEventId, attempt, startedTime } = cell.state.core.workflowTask ?? expect.fail("no workflow task");
  const token = make(TaskToken, { scheduledEventId, startedEventId, attempt, startedTime });
  const answer = make(RespondWorkflowTaskCompletedRequest, { commands });
  await runs.submit([{ cell, draft: accepted(respondWorkflowTaskCompleted(cell.state, contextOf(), token, answer)).draft }]);
}
const signals = ({ state }: RunCell) => state.core.signalCount;
/** What the store holds, read by a process that knows nothing else. */
const stored = async ({ store }: Opened) => (await open(store)).runs.load(key);

describe("requests on one run follow each other without waiting for the disk", () => {
  test("a later one is decided on what the earlier ones decided", async () => {
    const opened = await open();
    const cell = await start(opened);
    const release = opened.store.hold();
    const done = [1, 2, 3].map(() => opened.runs.transact(current, send()));
    await eventually(() => signals(cell) === 3);
    release();
    expect(await Promise.all(done)).toEqual([ok(undefined), ok(undefined), ok(undefined)]);
    expect(signals((await stored(opened)) ?? expect.fail())).toBe(3);
    expect(cell.version).toBe(4);
  });

  test("but no answer is given before what it rests on is on disk", async () => {
    const opened = await open();
    const cell = await start(opened);
    const release = opened.store.hold();
    const answered: string[] = [];
    const note = (what: string) => () => void answered.push(what);
    void opened.runs.transact(current, send()).then(note("signal"));
    void opened.runs.transact(current, () => ({ ok: false, error: alreadyCompleted })).then(note("refusal"));
    void opened.runs.transact(current, () => ok(undefined)).then(note("nothing changed"));
    await eventually(() => signals(cell) === 1);
    await turn();
    expect(answered).toEqual([]);
    release();
    await eventually(() => answered.length === 3);
    expect(opened.committed).toContainEqual(key);
  });
});

describe("a commit that fails", () => {
  test("takes the state with it: later requests decide on what is stored", async () => {
    const opened = await open();
    const cell = await start(opened);
    const repair = opened.store.fail();
    await expect(opened.runs.transact(current, send())).rejects.toThrow("disk full");
    expect(cell.broken).toBe(true);
    repair();
    await opened.runs.transact(current, send());
    const again = accepted(await opened.runs.find(current));
    expect(again).not.toBe(cell);
    expect(signals(again)).toBe(1);
  });

  test("and those that were decided on it are decided anew, or fail with it", async () => {
    const opened = await open();
    await start(opened);
    const release = opened.store.hold();
    const repair = opened.store.fail();
    const first = opened.runs.transact(current, send()).catch((error: Error) => error.message);
    await turn();
    const second = opened.runs.transact(current, send()).catch((error: Error) => error.message);
    await turn();
    release();
    expect(await first).toBe("disk full");
    repair();
    expect(["disk full", ok(undefined)]).toContainEqual(await second);
    expect(signals(accepted(await opened.runs.find(current)))).toBe((await second) === "disk full" ? 0 : 1);
  });

  test("one that lost a race is decided again", async () => {
    const opened = await open();
    await start(opened);
    const other = await open(opened.store);
    await Promise.all([opened.runs.load(key), other.runs.load(key)]);
    await opened.runs.transact(current, send());
    expect(await other.runs.transact(current, send())).toEqual(ok(undefined));
    expect(signals((await stored(opened)) ?? expect.fail())).toBe(2);
  });

  test("a refusal that rested on a lost race is no answer: it is decided again", async () => {
    const opened = await open();
    await start(opened);
    const late = await open(opened.store);
    await late.runs.load(key);
    await opened.runs.transact(current, send());
    const seen: number[] = [];
    const refuse = (draft: Draft) => {
      seen.push(draft.core.nextEventId);
      return err(notFound("refused"));
    };
    await Promise.all([late.runs.transact(current, send()), late.runs.transact(current, refuse)]);
    // First over a signal that was then lost; then over the one that was first, and the other one decided again.
    expect(seen).toEqual([4, 5]);
  });

  test("nor does what lives in memory only outlive the state it was decided on", async () => {
    const opened = await open();
    const cell = await start(opened);
    await step(opened, cell);
    const repair = opened.store.fail();
    const lost = opened.runs.transact(current, send()).catch(() => "lost");
    await turn();
    const resting = opened.runs.transact(current, (draft) => admitUpdate(draft, "u1", make(Request)));
    expect(await lost).toBe("lost");
    repair();
    expect(await resting).toEqual(ok(undefined));
    expect([...accepted(await opened.runs.find(current)).state.admitted.keys()]).toEqual(["u1"]);
  });

  test("a start that is not the first", async () => {
    const opened = await open();
    await start(opened);
    await expect(start(opened, runKey(2, "order-7"), null)).rejects.toBeInstanceOf(NotCommitted);
  });
});

describe("the current run", () => {
  test("is the latest of its workflow id", async () => {
    const opened = await open();
    await step(opened, await start(opened), [completeRun]);
    const second = await start(opened, runKey(2, "order-7"), key.runId);
    expect(accepted(await opened.runs.find(current))).toBe(second);
    expect(accepted(await opened.runs.find(key)).key).toEqual(key);
  });

  test("is followed when the chain goes on while a request is decided", async () => {
    const opened = await open();
    const cell = await start(opened);
    const release = opened.store.hold();
    const closing = opened.runs.submit([{ cell, draft: continuedAsNew(opened, cell) }]);
    const signaled = opened.runs.transact(current, (draft) => {
      const sent = send()(draft);
      return sent.ok ? ok(draft.key.runId) : sent;
    });
    const toTheOldRun = opened.runs.transact(key, send());
    await turn();
    release();
    await closing;
    expect(await signaled).toEqual(ok("id-1"));
    expect(await toTheOldRun).toEqual(err(alreadyCompleted));
  });
  function continuedAsNew({ contextOf }: Opened, cell: RunCell): Draft {
    const draft = openDraft(cell.state, contextOf());
    continueRunAsNew(draft, {
      attributes: make(WorkflowExecutionContinuedAsNewEventAttributes),
      continuation: {
        initiator: ContinueAsNewInitiator.WORKFLOW,
        backoff: 0,
        attempt: 1,
        continuedFailure: undefined,
        lastCompletionResult: undefined,
      },
    });
    return draft;
  }

  test("of an unknown workflow id is none", async () => {
    const opened = await open();
    expect(await opened.runs.find(current)).toMatchObject({ ok: false, error: { kind: "not-found" } });
  });
});

describe("a run id is no key to another's run", () => {
  const strange = { ...key, namespaceId: "another" };
  test("in memory or not", async () => {
    const opened = await open();
    await start(opened);
    expect(await opened.runs.load(strange)).toBeNull();
    const other = await open(opened.store);
    expect(await other.runs.load(strange)).toBeNull();
  });

  test("not even for who asks while it is being read", async () => {
    const opened = await open();
    await start(opened);
    const other = await open(opened.store);
    const [mine, theirs] = await Promise.all([other.runs.load(key), other.runs.load(strange)]);
    expect([mine?.key, theirs]).toEqual([key, null]);
    const third = await open(opened.store);
    const [theirsFirst, mineLater] = await Promise.all([third.runs.load(strange), third.runs.load(key)]);
    expect([theirsFirst, mineLater?.key]).toEqual([null, key]);
  });
});

describe("memory is bounded", () => {
  test("the oldest runs go, but those that somebody needs and those on their way to disk stay", async () => {
    const opened = await open();
    const { runs, store } = opened;
    const pinned = await start(opened, runKey(1, "pinned"));
    const unpin = runs.pin(pinned);
    const release = store.hold();
    const pending = start(opened, runKey(2, "pending"));
    await turn();
    const many = Array.from({ length: 4_200 }, (_, index) => start(opened, runKey(index + 3)));
    await turn();
    expect(runs.size).toBe(4_202);
    release();
    await Promise.all([pending, ...many]);
    for (let index = 1; index <= 50; index++) await start(opened, runKey(10_000 + index));
    expect(runs.size).toBeLessThanOrEqual(4_096);
    expect(await runs.load(pinned.key)).toBe(pinned);
    unpin();
    unpin();
    expect(pinned.pins).toBe(0);
  });
});
