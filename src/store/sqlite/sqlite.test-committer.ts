import { ledgerEntry } from "../contract/ledger.ts";
import { change, creation, runKey, update } from "../contract/material.ts";
import { openSqlite } from "./sqlite.ts";

/** Run by `sqlite.test.ts` as a process to be killed: writes runs without end, in groups of 1 to 4, and prints each number that is acknowledged. */
const store = await openSqlite({ path: process.argv[2] ?? "" });
const event = (firstEventId: number) => ({ firstEventId, eventCount: 1, bytes: new Uint8Array(200) });
const known = (await store.readRuns("", 1_000_000)).length;

for (let number = known + 1; ; ) {
  const group = Array.from({ length: 1 + (number % 4) }, (_, index) => runKey(number + index));
  await store.commit(
    group.map((run) =>
      change({
        runs: [creation(run, { core: new Uint8Array(600), history: [event(1)], becomeCurrent: { expectedRunId: null } })],
        ledger: [ledgerEntry(number, { runId: run.runId })],
      }),
    ),
  );
  // A second transition, so that a kill may fall between the two of one run.
  await store.commit(group.map((run) => change({ runs: [update(run, 1, { core: new Uint8Array(900), history: [event(2)] })] })));
  number += group.length;
  process.stdout.write(`${number - 1}\n`);
}
