import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterAll, beforeEach, expect, test } from "vitest";
import { hourMs } from "../../base/time.ts";
import { type Checkpoint, decodeCheckpoint } from "../../governance/ledger/checkpoint.ts";
import { openSqlite } from "../../store/sqlite/sqlite.ts";
import type { Store } from "../../store/store.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { changeOutsideRuns, createCommitter } from "../committer.ts";
import { manualClock, turn } from "../service.test-kit.ts";
import { startCheckpoints } from "./checkpoints.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-checkpoints-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { privateKey } = generateKeyPairSync("ed25519");

let path = "";
let opened = 0;
beforeEach(() => {
  path = join(folder, `${++opened}.db`);
});

async function open(key: KeyObject = privateKey) {
  const store = await openSqlite({ path });
  const committer = createCommitter({ store, metrics: createMetrics() });
  const clock = manualClock();
  const file = `${path}.jsonl`;
  const checkpoints = startCheckpoints({ privateKey: key, interval: hourMs, file }, { store, committer, clock, log: silentLog });
  const record = async (namespaceId = "orders") => {
    const entry = { namespaceId, at: 0, kind: "decision", runId: null, body: Buffer.from("{}") } as const;
    expect(await store.commit([changeOutsideRuns({ putDocuments: [], ledger: [entry] })])).toEqual(["committed"]);
  };
  const made = async (): Promise<Checkpoint | null> => {
    const checkpoint = await checkpoints.make();
    return checkpoint.ok ? checkpoint.value : expect.unreachable();
  };
  return { store, clock, checkpoints, record, made };
}
const kept = () =>
  readFileSync(`${path}.jsonl`, "utf8")
    .trim()
    .split("\n")
    .map((line) => decodeCheckpoint(Buffer.from(line))?.number);
const entriesOf = async (store: Store) => (await store.readLedger({ namespaceId: "", after: null, limit: 100 })).entries;

test("each names the one before, and only what has moved since", async () => {
  const { store, record, made } = await open();
  expect(await made()).toBeNull();
  await record();
  await record("shop");
  expect(await made()).toMatchObject({ number: 1, chains: 2, moved: [{ namespaceId: "orders" }, { namespaceId: "shop" }] });
  await record();
  expect(await made()).toMatchObject({ number: 2, chains: 2, moved: [{ namespaceId: "orders", sequence: 2 }] });
  // Nothing new: no entry that says so.
  expect(await made()).toMatchObject({ number: 2 });
  expect(await entriesOf(store)).toHaveLength(2);
  expect(kept()).toEqual([1, 2]);
  await store.close();
});

test("one is made each interval, and one at the end", async () => {
  const { store, clock, record, checkpoints } = await open();
  await record();
  clock.advance(hourMs);
  while ((await entriesOf(store)).length === 0) await turn();
  await record();
  await checkpoints.stop();
  expect(await entriesOf(store)).toHaveLength(2);
  await store.close();
});

test("a restart goes on where the last one was", async () => {
  const first = await open();
  await first.record();
  await first.made();
  await first.store.close();
  const second = await open();
  await second.record();
  expect(await second.made()).toMatchObject({ number: 2, chains: 2, moved: [{ sequence: 1 }] });
  await second.store.close();
});

test("of several at one moment one is made", async () => {
  const { store, record, made } = await open();
  await record();
  expect((await Promise.all([made(), made(), made()])).map((checkpoint) => checkpoint?.number)).toEqual([1, 1, 1]);
  await store.close();
});

test("checkpoints that were cut off are not forgotten", async () => {
  const first = await open();
  await first.record();
  await first.made();
  await first.record();
  await first.made();
  await first.store.close();
  const db = new Sqlite(path);
  db.exec("DELETE FROM ledger WHERE kind = 10 AND position = (SELECT max(position) FROM ledger WHERE kind = 10)");
  db.close();
  const second = await open();
  await second.record();
  expect(await second.made()).toMatchObject({ number: 3 });
  await second.store.close();
});
