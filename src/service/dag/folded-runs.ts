import { advance, initial } from "../../dag/decider/evolve.ts";
import type { DagState } from "../../dag/decider/state.ts";
import type { TimelineEntry } from "../../dag/decider/turn.ts";
import { type HistoryReader, historyReader } from "../../dag/history.ts";
import { History, type HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import type { RunKey, Store } from "../../store/store.ts";
import { historyPageEventsMax } from "../history-pages.ts";
import { createKeyedLock } from "../keyed-lock.ts";
import type { Definition, Definitions } from "./definitions.ts";
import { isRunInput, type RunRecord, readRunRecord, readStatus } from "./run-record.ts";

/** A run as its history has it, up to an event. */
export type FoldedRun = {
  readonly definition: Definition;
  readonly record: RunRecord;
  readonly state: DagState;
  /** What the command that cancels an activity has to name. */
  readonly scheduledEventIdOf: HistoryReader["scheduledEventIdOf"];
  /** What lists show of the run. */
  readonly shownStatus: string;
  readonly lastEventId: number;
};

/** Why there is no such fold: nothing is stored, the execution is none of ours, or its definition cannot be read. */
export type FoldRefusal = "no-history" | "not-a-run" | "no-definition";

export type FoldedRuns = {
  /** The run up to an event, or the last one that is stored. Kept in memory, so that the next look folds only what is new. */
  at(key: RunKey, toEventId: number): Promise<FoldedRun | FoldRefusal>;
  /** Folds the whole of it anew, and hands over what the timeline says of each event. */
  follow(key: RunKey, toEventId: number, tell: (entries: readonly TimelineEntry[]) => void): Promise<FoldedRun | FoldRefusal>;
  /** The run has closed, or what is kept cannot be trusted. */
  forget(key: RunKey): void;
};

/** Runs kept in memory. What falls out is folded from its history again. */
const keptMax = 512;

export function createFoldedRuns({ store, definitions }: { store: Pick<Store, "readHistory">; definitions: Definitions }): FoldedRuns {
  /** By run id, the one used last at the end. */
  const kept = new Map<string, Folding>();
  const lock = createKeyedLock();

  return {
    at: (key, toEventId) =>
      // Two that fold one run at one time would fold each event twice.
      lock.run(key.runId, async () => {
        const was = kept.get(key.runId) ?? null;
        kept.delete(key.runId);
        // Asked for an earlier moment than it is kept at, it begins again.
        const folded = await fold(key, toEventId, was !== null && was.lastEventId <= toEventId ? was : null, () => {});
        if (typeof folded === "string") return folded;
        if (folded.state.closed === null) kept.set(key.runId, folded);
        const [oldest] = kept.keys();
        if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
        return { ...folded };
      }),
    follow: (key, toEventId, tell) => fold(key, toEventId, null, tell),
    forget: ({ runId }) => void kept.delete(runId),
  };

  async function fold(
    key: RunKey,
    toEventId: number,
    from: Folding | null,
    tell: (entries: readonly TimelineEntry[]) => void,
  ): Promise<Folding | FoldRefusal> {
    let folding = from;
    for (let next = (from?.lastEventId ?? 0) + 1; next <= toEventId; ) {
      const batches = await store.readHistory(key, { fromEventId: next, toEventId, eventsMax: historyPageEventsMax });
      for (const { bytes } of batches) {
        for (const event of History.decode(bytes).events) {
          if (event.eventId < next || event.eventId > toEventId) continue;
          if (folding === null) {
            const begun = await begin(key, event);
            if (typeof begun === "string") return begun;
            folding = begun;
          }
          take(folding, event, tell);
          next = event.eventId + 1;
        }
      }
      // A task that is tried again has events that are not stored.
      if (batches.length === 0) break;
    }
    return folding ?? "no-history";
  }

  async function begin({ namespaceId, workflowId: runId }: RunKey, { attributes }: HistoryEvent): Promise<Folding | FoldRefusal> {
    if (attributes?.$case !== "workflowExecutionStartedEventAttributes") return "no-history";
    const { memo, workflowType, input } = attributes.value;
    const workflowId = workflowType?.name ?? "";
    const record = readRunRecord(memo);
    if (record === null || !isRunInput(input, { runId, workflowId })) return "not-a-run";
    const definition = await definitions.at({ namespaceId, workflowId, sha256: record.definition });
    if (definition === null) return "no-definition";
    const state = initial(definition.spec);
    const { read, scheduledEventIdOf } = historyReader();
    return { definition, record, state, scheduledEventIdOf, shownStatus: "", lastEventId: 0, read };
  }
}

/** Written to while it is folded; whoever asked gets a copy. */
type Folding = Pick<FoldedRun, "definition" | "record" | "scheduledEventIdOf"> & {
  state: DagState;
  shownStatus: string;
  lastEventId: number;
  readonly read: HistoryReader["read"];
};

function take(folding: Folding, event: HistoryEvent, tell: (entries: readonly TimelineEntry[]) => void): void {
  const happened = folding.read(event);
  if (happened !== null) {
    const { state, timeline } = advance(folding.definition.spec, folding.state, happened);
    folding.state = state;
    if (timeline.length > 0) tell(timeline);
  }
  folding.shownStatus = statusIn(event) ?? folding.shownStatus;
  folding.lastEventId = event.eventId;
}

function statusIn({ attributes }: HistoryEvent): string | null {
  const isShown =
    attributes?.$case === "workflowExecutionStartedEventAttributes" ||
    attributes?.$case === "upsertWorkflowSearchAttributesEventAttributes";
  return isShown ? readStatus(attributes.value.searchAttributes) : null;
}
