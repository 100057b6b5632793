import { expect, test } from "vitest";
import { secondMs } from "../../base/time.ts";
import type { LedgerKind } from "../../governance/ledger/ledger.ts";
import { ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { changeOutsideRuns } from "../committer.ts";
import { manualClock } from "../service.test-kit.ts";
import { countingApprovals, measureApprovals } from "./approval-metrics.ts";

const samples = (metrics: ReturnType<typeof createMetrics>): readonly string[] =>
  metrics
    .render()
    .split("\n")
    .filter((line) => line.startsWith("holdfast_approvals"));

test.each([
  [
    "committed",
    [
      'holdfast_approvals_total{event="requested"} 1',
      'holdfast_approvals_total{event="voted"} 2',
      'holdfast_approvals_total{event="escalated"} 1',
      'holdfast_approvals_total{event="granted"} 1',
    ],
  ],
  ["conflict", []],
] as const)("what was %s", async (outcome, expected) => {
  const metrics = createMetrics();
  const committer = countingApprovals({ commit: async () => outcome, idle: async () => {} }, metrics);
  const entry = (kind: LedgerKind, body: object) => ({
    namespaceId: "namespace",
    at: 1,
    kind,
    runId: "run",
    body: Buffer.from(JSON.stringify({ approval: "a", ...body })),
  });
  const ledger = [
    entry("decision", { status: "none of ours" }),
    entry("approval-requested", {}),
    entry("approval-vote", { verdict: "grant" }),
    entry("approval-changed", { change: "escalated" }),
    entry("approval-vote", { verdict: "grant" }),
    entry("approval-closed", { status: "granted" }),
  ];
  expect(await committer.commit(changeOutsideRuns({ putDocuments: [], ledger }))).toBe(outcome);
  expect(samples(metrics)).toEqual(expected);
});

test("what waits, and for how long", async () => {
  const [metrics, clock] = [createMetrics(), manualClock()];
  const oldestAt = clock.now();
  const stop = await measureApprovals({
    store: {
      countApprovals: async ({ namespaceId, status }) => {
        expect(status).toBe(ApprovalStatus.PENDING);
        return namespaceId === "1" ? { count: 3, oldestAt } : { count: 0, oldestAt: null };
      },
    },
    namespaces: {
      list: () =>
        [
          { id: "1", name: "default" },
          { id: "2", name: "other" },
        ] as never,
    },
    clock,
    metrics,
    log: silentLog,
  });
  clock.advance(90 * secondMs);
  expect(samples(metrics)).toEqual([
    'holdfast_approvals_pending{namespace="default"} 3',
    'holdfast_approvals_pending{namespace="other"} 0',
    'holdfast_approvals_oldest_seconds{namespace="default"} 90',
    'holdfast_approvals_oldest_seconds{namespace="other"} 0',
  ]);
  stop();
});
