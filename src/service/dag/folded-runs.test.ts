import { afterEach, beforeEach, expect, test } from "vitest";
import { present } from "../../base/assert.ts";
import type { RunKey } from "../../store/store.ts";
import { openCore, type TestCore } from "../service.test-kit.ts";
import { define, startRun, take } from "./dag.test-kit.ts";
import { createDefinitions } from "./definitions.ts";
import { createFoldedRuns } from "./folded-runs.ts";

let core: TestCore;
beforeEach(async () => {
  core = await openCore();
});
afterEach(async () => {
  await core.stop();
  await core.store.close();
});

const lastEventId = 1_000;
const bytesOfInput = 10_000;

/** Runs whose first step is under way, and folds of them that say which history they have read from its beginning. */
async function folding({ runs, bytesMax }: { runs: number; bytesMax: number }) {
  const workflowId = await define(core, "id: large\nsteps:\n  a: { topic: job.a, input: { } }\n");
  const [namespace] = await core.store.readNamespaces();
  const namespaceId = present(namespace, "the namespace").id;
  const keys: RunKey[] = [];
  for (let run = 0; run < runs; run++) {
    await startRun(core, workflowId, { text: "x".repeat(bytesOfInput) });
    const { workflowExecution } = (await take(core, "job.a")).task;
    const { workflowId: id = "", runId = "" } = workflowExecution ?? {};
    keys.push({ namespaceId, workflowId: id, runId });
  }
  const begun: string[] = [];
  const folded = createFoldedRuns({
    bytesMax,
    definitions: createDefinitions({
      documents: core.store,
      committer: { commit: async () => "committed" },
      clock: core.clock,
    }),
    store: {
      readHistory: (key, range) => {
        if (range.fromEventId === 1) begun.push(`run ${keys.findIndex(({ runId }) => runId === key.runId)}`);
        return core.store.readHistory(key, range);
      },
    },
  });
  const look = async (run: number) => folded.at(present(keys[run], "run"), lastEventId);
  return { look, begun };
}

test("runs are kept as far as their histories are not too large together, those that were used last", async () => {
  const { look, begun } = await folding({ runs: 3, bytesMax: 2.5 * bytesOfInput });
  for (const run of [0, 1, 0, 2, 0, 1]) await look(run);
  expect(begun).toEqual(["run 0", "run 1", "run 2", "run 1"]);
});

test("a run that is too large alone is kept as long as no other is used", async () => {
  const { look, begun } = await folding({ runs: 2, bytesMax: 1 });
  for (const run of [0, 0, 1, 1, 0]) await look(run);
  expect(begun).toEqual(["run 0", "run 1", "run 0"]);
});
