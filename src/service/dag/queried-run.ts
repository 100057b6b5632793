import type { Queried } from "../../dag/projection/query.ts";
import { type RunView, runView } from "../../dag/projection/run.ts";
import { timelineEvent } from "../../dag/projection/timeline.ts";
import type { RunKey } from "../../store/store.ts";
import type { FoldedRun, FoldedRuns } from "./folded-runs.ts";

/** A run as the API shows it, also while it waits for its turn. */
export function viewOf({ definition, state, start }: FoldedRun): RunView {
  const view = runView(definition.spec, state);
  if (state.start !== null) return view;
  const { runId: id, workflowId: workflow_id, input, labels } = start;
  return { ...view, id, workflow_id, input, labels };
}

/** What queries of a run look into. */
export function queriedRun(run: FoldedRun, key: RunKey, folded: Pick<FoldedRuns, "timeline">): Queried {
  const { runId, workflowId } = run.start;
  return {
    view: viewOf(run),
    signals: run.definition.spec.steps.flatMap(({ kind }) => (kind.kind === "signal" ? [kind.name] : [])),
    timeline: async (page) => {
      const lines = await folded.timeline(key, run.lastEventId, page);
      return typeof lines === "string" ? [] : lines.map((line) => timelineEvent({ runId, workflowId }, line));
    },
  };
}
