import type { DagEvent, RunStart } from "../../dag/decider/event.ts";
import { advance, initial } from "../../dag/decider/evolve.ts";
import type { DagState } from "../../dag/decider/state.ts";
import type { TimelineEntry } from "../../dag/decider/turn.ts";
import { type HistoryReader, historyReader } from "../../dag/history.ts";
import { History, type HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import type { RunKey, Store } from "../../store/store.ts";
import { createKeyedLock } from "../keyed-lock.ts";
import { usageReported } from "../limits/attempt-end.ts";
import { historyPageEventsMax } from "../requests/history-pages.ts";
import type { Definition, Definitions } from "./definitions.ts";
import { queuedStatus, type RunRecord, readRunInput, readRunRecord, readStatus } from "./run-record.ts";

/** A run as its history has it, up to an event. */
export type FoldedRun = {
  readonly definition: Definition;
  readonly record: RunRecord;
  readonly state: DagState;
  /** As it was asked for; the state knows it once the run has begun. */
  readonly start: RunStart;
  /** It was started, and waits for its turn: fewer runs of the workflow may be open at once. */
  readonly isQueued: boolean;
  /** In US dollars, as the workers of its steps and subworkflows have reported it. */
  readonly cost: number;
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
  /**
   * Lines of the timeline. They are kept for a while, so that the next page, and what has happened since, cost what they hold. A timeline of
   * more than `lettersKeptMax` letters is folded anew for each page.
   */
  timeline(
    key: RunKey,
    toEventId: number,
    page: { readonly skip: number; readonly limit: number },
  ): Promise<readonly TimelineEntry[] | FoldRefusal>;
  /** The run has closed, or what is kept cannot be trusted. */
  forget(key: RunKey): void;
};

/** Runs kept in memory. What falls out is folded from its history again. */
const keptMax = 512;
/** Of history that the kept runs were folded from: what they take in memory goes with it. The run used last is kept, however large it is. */
const bytesKeptMax = 64 * 1024 * 1024;
/** Of JSON, and bytes of history, of all timelines together that are kept in memory. */
const lettersKeptMax = 32 * 1024 * 1024;

/** A timeline as far as it is known, and the fold that it goes on from. Without lines, they did not fit. */
type Timeline = { readonly folding: Folding; readonly lines: TimelineEntry[]; letters: number };

const sizeOf = ({ letters, folding }: Timeline): number => letters + folding.bytes;

export function createFoldedRuns({
  store,
  definitions,
  bytesMax = bytesKeptMax,
}: {
  readonly store: Pick<Store, "readHistory">;
  readonly definitions: Pick<Definitions, "at">;
  readonly bytesMax?: number;
}): FoldedRuns {
  /** By run id, the one used last at the end. */
  const kept = new Map<string, Folding>();
  let bytesKept = 0;
  const lock = createKeyedLock();
  /** By run id, the one used last at the end. */
  const timelines = new Map<string, Timeline>();
  let letters = 0;

  function keep(runId: string, folding: Folding): void {
    kept.set(runId, folding);
    bytesKept += folding.bytes;
    for (const oldest of kept.keys()) {
      if (oldest === runId || (kept.size <= keptMax && bytesKept <= bytesMax)) break;
      forgetRun(oldest);
    }
  }

  function forgetRun(runId: string): void {
    bytesKept -= kept.get(runId)?.bytes ?? 0;
    kept.delete(runId);
  }

  function forgetTimeline(runId: string): void {
    const timeline = timelines.get(runId);
    if (timeline !== undefined) letters -= sizeOf(timeline);
    timelines.delete(runId);
  }

  return {
    at: (key, toEventId) =>
      // Two that fold one run at one time would fold each event twice.
      lock.run(key.runId, async () => {
        const was = kept.get(key.runId) ?? null;
        forgetRun(key.runId);
        // Asked for an earlier moment than it is kept at, it begins again.
        const folded = await fold(key, toEventId, was !== null && was.lastEventId <= toEventId ? was : null, () => {});
        if (typeof folded === "string") return folded;
        if (folded.state.closed === null) keep(key.runId, folded);
        return { ...folded };
      }),
    timeline: (key, toEventId, { skip, limit }) =>
      lock.run(`${key.runId}/timeline`, async () => {
        const was = timelines.get(key.runId) ?? null;
        forgetTimeline(key.runId);
        const lines = was?.lines ?? [];
        let added = 0;
        const folding = await fold(key, toEventId, was?.folding ?? null, (entries) => {
          lines.push(...entries);
          for (const entry of entries) added += JSON.stringify(entry).length;
        });
        if (typeof folding === "string") return folding;
        const timeline = { folding, lines, letters: (was?.letters ?? 0) + added };
        if (sizeOf(timeline) <= lettersKeptMax) {
          timelines.set(key.runId, timeline);
          letters += sizeOf(timeline);
        }
        for (const runId of timelines.keys()) {
          if (letters <= lettersKeptMax) break;
          forgetTimeline(runId);
        }
        return lines.slice(skip, skip + limit);
      }),
    forget: ({ runId }) => {
      forgetRun(runId);
      forgetTimeline(runId);
    },
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
        if (folding !== null) folding.bytes += bytes.length;
      }
      // A task that is tried again has events that are not stored.
      if (batches.length === 0) break;
    }
    return folding ?? "no-history";
  }

  async function begin({ namespaceId, workflowId: runId }: RunKey, { attributes }: HistoryEvent): Promise<Folding | FoldRefusal> {
    if (attributes?.$case !== "workflowExecutionStartedEventAttributes") return "no-history";
    const { memo, workflowType, input, searchAttributes } = attributes.value;
    const workflowId = workflowType?.name ?? "";
    const record = readRunRecord(memo);
    const start = readRunInput(input, { runId, workflowId });
    if (record === null || start === null) return "not-a-run";
    const definition = await definitions.at({ namespaceId, workflowId, sha256: record.definition });
    if (definition === null) return "no-definition";
    const state = initial(definition.spec);
    const { read, scheduledEventIdOf } = historyReader();
    const isQueued = readStatus(searchAttributes) === queuedStatus;
    return { definition, record, state, start, isQueued, cost: 0, scheduledEventIdOf, shownStatus: "", lastEventId: 0, bytes: 0, read };
  }
}

/** Written to while it is folded; whoever asked gets a copy. */
type Folding = Pick<FoldedRun, "definition" | "record" | "start" | "scheduledEventIdOf"> & {
  state: DagState;
  isQueued: boolean;
  cost: number;
  shownStatus: string;
  lastEventId: number;
  /** Of history that it was folded from. */
  bytes: number;
  readonly read: HistoryReader["read"];
};

function take(folding: Folding, event: HistoryEvent, tell: (entries: readonly TimelineEntry[]) => void): void {
  const status = statusIn(event);
  folding.shownStatus = status ?? folding.shownStatus;
  folding.cost += usageReported(event)?.usd ?? 0;
  for (const happened of happenedIn(folding, event)) {
    const { state, timeline } = advance(folding.definition.spec, folding.state, happened);
    folding.state = state;
    if (timeline.length > 0) tell(timeline);
  }
  folding.lastEventId = event.eventId;
}

/** A run that waits for its turn begins with the event by which it says that it runs, or by which somebody cancels it. */
function happenedIn(folding: Folding, event: HistoryEvent): readonly DagEvent[] {
  const began: DagEvent = { ...folding.start, type: "RunStarted", at: event.eventTime?.getTime() ?? 0 };
  // The start has been read: it may be large.
  if (event.attributes?.$case === "workflowExecutionStartedEventAttributes") return folding.isQueued ? [] : [began];
  const happened = folding.read(event);
  const alone = happened === null ? [] : [happened];
  if (!folding.isQueued || (folding.shownStatus === queuedStatus && happened?.type !== "CancelRequested")) return alone;
  folding.isQueued = false;
  return [began, ...alone];
}

function statusIn({ attributes }: HistoryEvent): string | null {
  const isShown =
    attributes?.$case === "workflowExecutionStartedEventAttributes" ||
    attributes?.$case === "upsertWorkflowSearchAttributesEventAttributes";
  return isShown ? readStatus(attributes.value.searchAttributes) : null;
}
