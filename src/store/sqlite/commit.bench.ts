import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import type { Change, RunKey, RunWrite, Store, VisibilityRecord } from "../store.ts";
import { openSqlite } from "./sqlite.ts";

/**
 * Transitions per second and bytes on disk per transition, on a real file: `npx tsx src/store/sqlite/commit.bench.ts [folder]`.
 *
 * Each run lives through a start, ten activity steps of two transitions (task completed and activity scheduled; activity completed and
 * next task scheduled) and a close, with small payloads: about 110 bytes an event and three events a transition. 1,000 runs at a time.
 * The last line appends an entry of 300 bytes to the ledger with each transition: what it costs more is the ledger's.
 */
const stepsPerRun = 10;
const transitionsPerRun = 2 + 2 * stepsPerRun;
const openRunsMax = 1_000;

const eventBytes = 110;
const batchOf = (firstEventId: number) => ({ firstEventId, eventCount: 3, bytes: new Uint8Array(3 * eventBytes) });
const core = new Uint8Array(600);
const info = new Uint8Array(220);
const item = { kind: 1, id: "5", value: new Uint8Array(250) };

const visibility = (run: RunKey, closeTime: number | null): VisibilityRecord => ({
  workflowType: "OrderWorkflow",
  taskQueue: "orders",
  status: closeTime === null ? 1 : 2,
  startTime: 1_760_000_000_000,
  executionTime: 1_760_000_000_000,
  closeTime,
  historyLength: closeTime === null ? null : 66,
  historySizeBytes: closeTime === null ? null : 7_000,
  stateTransitionCount: closeTime === null ? null : 22,
  executionDurationNs: closeTime === null ? null : 5_000_000_000,
  parentWorkflowId: null,
  parentRunId: null,
  rootWorkflowId: run.workflowId,
  rootRunId: run.runId,
  attributes: {},
  info,
});

function transition(key: RunKey, version: number): Change {
  const isStart = version === 0;
  const isClose = version === transitionsPerRun - 1;
  const schedules = version % 2 === 1 && !isClose;
  const write: RunWrite = {
    key,
    expectedVersion: version,
    core,
    putItems: schedules ? [item] : [],
    deleteItems: !schedules && !isStart ? [item] : [],
    history: [batchOf(1 + 3 * version)],
    wakeAt: isClose ? null : 1_760_000_060_000 + version * 1_000,
    visibility: isStart || isClose ? visibility(key, isClose ? 1_760_000_005_000 : null) : null,
    becomeCurrent: isStart ? { expectedRunId: null } : null,
  };
  return {
    runs: [write],
    putTasks: [],
    deleteTasks: [],
    putOutbox: [],
    deleteOutbox: [],
    putApprovals: [],
    putDocuments: [],
    ledger: [],
  };
}

/** Transitions of many runs, round about, without end: a run that has closed makes room for a new one. */
function* traffic(): Generator<Change> {
  const open: { key: RunKey; version: number }[] = [];
  for (let turn = 0; ; turn++) {
    const slot = turn % openRunsMax;
    const held = open[slot];
    const run =
      held === undefined || held.version === transitionsPerRun
        ? { key: { namespaceId: namespaceId, workflowId: `order-${turn}`, runId: randomUUID() }, version: 0 }
        : held;
    open[slot] = run;
    yield transition(run.key, run.version++);
  }
}

function take<T>(from: Generator<T>, count: number): T[] {
  return Array.from({ length: count }, () => from.next().value);
}

const namespaceId = randomUUID();
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), "holdfast-bench-"));

/** What a decision leaves in the ledger. */
const decision = (change: Change): LedgerEntry => ({
  namespaceId,
  at: 1_760_000_000_000,
  kind: "decision",
  runId: change.runs[0]?.key.runId ?? null,
  body: decisionBody,
});
const decisionBody = new Uint8Array(300).fill(32);

async function measured(label: string, transitions: number, groupSize: number, decisionsPerTransition = 0): Promise<void> {
  const path = join(folder, `${label}.db`);
  const store: Store = await openSqlite({ path });
  const changes = traffic();
  const cpuBefore = process.cpuUsage();
  const begin = performance.now();
  const latencies: number[] = [];
  for (let done = 0; done < transitions; done += groupSize) {
    const group = take(changes, groupSize).map((change) => ({
      ...change,
      ledger: Array.from({ length: decisionsPerTransition }, () => decision(change)),
    }));
    const asked = performance.now();
    const outcomes = await store.commit(group);
    latencies.push(performance.now() - asked);
    if (outcomes.some((outcome) => outcome !== "committed")) throw new Error("a transition met a conflict");
  }
  const seconds = (performance.now() - begin) / 1_000;
  const cpu = process.cpuUsage(cpuBefore);
  await store.close();
  const again = await openSqlite({ path });
  const bytes = await again.sizeBytes();
  await again.close();
  const sorted = latencies.toSorted((a, b) => a - b);
  const percentile = (p: number): string => (sorted[Math.floor(sorted.length * p)] ?? 0).toFixed(2);
  console.log(
    `${label.padEnd(16)} ${Math.round(transitions / seconds)
      .toLocaleString("en")
      .padStart(8)} transitions/s   ` +
      `commit p50 ${percentile(0.5)} ms, p99 ${percentile(0.99)} ms   CPU ${((cpu.user + cpu.system) / transitions).toFixed(0)} µs   ` +
      `${Math.round(bytes / transitions)} bytes on disk each, of which ${3 * eventBytes} events`,
  );
}

try {
  await measured("one by one", 44_000, 1);
  await measured("groups of 8", 110_000, 8);
  await measured("groups of 64", 220_000, 64);
  await measured("… and a decision", 220_000, 64, 1);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
