import { isDeepStrictEqual } from "node:util";
import { assert, present } from "../src/base/assert.ts";
import { determinedByHistory } from "../src/execution/determined.test-kit.ts";
import { fold } from "../src/execution/evolve.ts";
import { drawHistory, testContext } from "../src/execution/execution.test-kit.ts";
import { isRunning, type RunKey } from "../src/execution/execution.ts";
import { decodeRun } from "../src/execution/stored-run.ts";
import { wakeAt } from "../src/execution/wake.ts";
import { History, type HistoryEvent } from "../src/protocol/generated/temporal/api/history/v1/message.ts";
import type { Store } from "../src/store/store.ts";

const pageMax = 1_000;

/**
 * Checks a store whose workflows have all ended: every run is closed, its stored state is the fold of its history, no signal is in
 * it twice, and no task, timer or effect is left behind. Throws what is not so; returns all runs with their histories.
 */
export async function verifyStore(store: Store): Promise<readonly { readonly key: RunKey; readonly history: readonly HistoryEvent[] }[]> {
  const runs: { key: RunKey; history: readonly HistoryEvent[] }[] = [];
  for (let keys = await store.readRuns("", pageMax); keys.length > 0; keys = await store.readRuns(keys.at(-1)?.runId ?? "", pageMax)) {
    for (const key of keys) runs.push({ key, history: await verifyRun(store, key) });
  }
  same("task rows left", await store.readQueues(), []);
  same("effects left", await store.readOutbox(0, pageMax), []);
  same("timers left", await store.readWakes(Number.MAX_SAFE_INTEGER, null, pageMax), []);
  return runs;
}

/** The runs that have not ended, as a person would draw them. */
export async function drawOpen(store: Store): Promise<string> {
  const drawn: string[] = [];
  for (const key of await store.readRuns("", pageMax)) {
    const history = await readHistory(store, key);
    const state = decodeRun(key, present(await store.loadRun(key), "stored state"));
    if (!isRunning(state)) continue;
    const { workflowTask } = state.core;
    const pending = [...state.activities.values()].map(({ activityId, attempt, attemptScheduledTime, startedTime, dispatched }) => ({
      activityId,
      attempt,
      attemptScheduledTime,
      startedTime,
      dispatched,
    }));
    drawn.push(`${key.workflowId}: ${drawHistory(history)}; pending: ${JSON.stringify({ workflowTask, pending, wakeAt: wakeAt(state) })}`);
  }
  return drawn.join("\n");
}

async function readHistory(store: Store, key: RunKey): Promise<readonly HistoryEvent[]> {
  const all = { fromEventId: 1, toEventId: Number.MAX_SAFE_INTEGER, eventsMax: Number.MAX_SAFE_INTEGER };
  return (await store.readHistory(key, all)).flatMap(({ bytes }) => History.decode(bytes).events);
}

async function verifyRun(store: Store, key: RunKey): Promise<readonly HistoryEvent[]> {
  const name = `${key.workflowId} (run ${key.runId})`;
  const state = decodeRun(key, present(await store.loadRun(key), `stored state of ${name}`));
  const history = await readHistory(store, key);
  assert(
    history.every(({ eventId }, index) => eventId === index + 1),
    `the history of ${name} has no gaps`,
  );
  const requestIds = history.flatMap(({ attributes }) =>
    attributes?.$case === "workflowExecutionSignaledEventAttributes" && attributes.value.requestId !== ""
      ? [attributes.value.requestId]
      : [],
  );
  assert(new Set(requestIds).size === requestIds.length, `no signal of ${name} is recorded twice`);
  const context = testContext(state.core.startTime);
  same(`the fold of the history of ${name}`, determinedByHistory(state), determinedByHistory(fold(key, history, context)));
  assert(!isRunning(state), `${name} has ended`);
  return history;
}

/** Says of two values where they differ. */
export function same(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}: expected ${shown(expected)}, got ${shown(actual)}`);
}

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, part) => (part instanceof Map ? [...part] : part instanceof Set ? [...part] : part));
