import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { canonicalBytes } from "../../src/base/canonical-json.ts";
import { actionOf, jobHash } from "../../src/governance/action.ts";
import { inputOfValues } from "../../src/governance/action-input.ts";
import type { LedgerEntry } from "../../src/governance/ledger/ledger.ts";
import { decide } from "../../src/governance/policy/decide.ts";
import { parsePolicy } from "../../src/governance/policy/policy.ts";
import { snapshotOf } from "../../src/governance/policy/snapshot.ts";
import { changeOutsideRuns } from "../../src/service/committer.ts";
import { decisionRecord } from "../../src/service/ledger/decision-record.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import type { Figure } from "../figure.ts";
import { policyAround } from "../rules.ts";
import type { Scenario } from "../scenario.ts";

const entriesPerCommit = 64;
const budgetUs = 50;

/**
 * What recording a decision costs, in this process, on a file with fsync on. Written: the job hash, the record as canonical JSON. Appended:
 * the entry's hash in its chain, its row and index entries, and its share of a commit of 64, as under load.
 */
export const ledger: Scenario = async ({ address, quick, folder }) => {
  if (address !== null) return [];
  const { policy } = parsePolicy(policyAround("step", 1_000));
  if (policy === null) throw new Error("the policy cannot be read");
  const snapshot = snapshotOf([{ id: "bench", policy }]);
  const store = await openSqlite({ path: join(folder("ledger"), "holdfast.db") });
  const namespaceId = randomUUID();
  const runId = randomUUID();

  const write = (index: number): LedgerEntry => {
    const asked = actionOf({
      name: "step",
      workflowType: "sequence",
      workflowId: `order-${index}`,
      runId,
      actionId: String(index),
      taskQueue: "orders",
      principal: { id: "1234@worker", kind: "service", roles: [] },
      input: inputOfValues([{ orderId: `o-${index}`, amount: 4_200 }]),
    });
    const decision = decide(snapshot, asked);
    const body = canonicalBytes(decisionRecord(decision, { asked, jobHash: jobHash(decision.action), grantedApprovalId: null }));
    return { namespaceId, at: 1_760_000_000_000 + index, kind: "decision", runId, body };
  };

  const writing: number[] = [];
  const appending: number[] = [];
  const appendingCpu: number[] = [];
  const bodyBytes = write(0).body.length;
  let index = 0;
  for (let round = 0; round <= (quick ? 3 : 10); round++) {
    const commits = quick ? 20 : 60;
    let wroteMs = 0;
    let appendedMs = 0;
    let cpuUs = 0;
    for (let commit = 0; commit < commits; commit++) {
      const begin = performance.now();
      const entries = Array.from({ length: entriesPerCommit }, () => write(index++));
      const written = performance.now();
      const cpuBefore = process.cpuUsage();
      await store.commit(entries.map((entry) => changeOutsideRuns({ putDocuments: [], ledger: [entry] })));
      appendedMs += performance.now() - written;
      const { user, system } = process.cpuUsage(cpuBefore);
      cpuUs += user + system;
      wroteMs += written - begin;
    }
    if (round === 0) continue;
    writing.push((1_000 * wroteMs) / commits / entriesPerCommit);
    appending.push((1_000 * appendedMs) / commits / entriesPerCommit);
    appendingCpu.push(cpuUs / commits / entriesPerCommit);
  }
  await store.close();
  const figures: Figure[] = [
    { name: "decision decided and written as a record", unit: "µs", rounds: writing, note: `${bodyBytes} bytes` },
    {
      name: "ledger append, per entry",
      unit: "µs",
      rounds: appending,
      budget: { atMost: budgetUs },
      note: `${entriesPerCommit} entries in a commit, its fsync included`,
    },
    { name: "  CPU", unit: "µs", rounds: appendingCpu },
  ];
  return figures;
};
