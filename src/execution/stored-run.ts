import { present } from "../base/assert.ts";
import { type Codec, encode, make } from "../protocol/codec.ts";
import {
  AcceptedUpdate,
  PendingActivity,
  PendingChild,
  PendingExternal,
  PendingTimer,
  RunCore,
} from "../protocol/generated/holdfast/state/v1/state.ts";
import { History, HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { Collection } from "./collection.ts";
import { type Draft, emptyState, type MutableState, type RunKey } from "./execution.ts";

/** Kinds of stored items. Numbers are never reused. */
export const itemKinds = {
  started: 1,
  activity: 2,
  timer: 3,
  child: 4,
  externalSignal: 5,
  externalCancel: 6,
  update: 7,
  requestId: 8,
  buffered: 9,
  /** Memo and search attributes: as large as a caller likes, and seldom changed. */
  properties: 10,
} as const;

type Item = { readonly kind: number; readonly id: string; readonly value: Uint8Array };
type ItemKey = { readonly kind: number; readonly id: string };

/** A transition as bytes: only what changed. */
export type EncodedTransition = {
  readonly core: Uint8Array;
  readonly putItems: readonly Item[];
  readonly deleteItems: readonly ItemKey[];
  readonly history: readonly { readonly firstEventId: number; readonly eventCount: number; readonly bytes: Uint8Array }[];
};

const nothing = new Uint8Array(0);

/** Encodes what the draft changed, or returns null when all of it lives in memory only (a speculative task, an admitted update). */
export function encodeTransition(draft: Draft): EncodedTransition | null {
  const history = draft.batches.map((events) => ({
    firstEventId: present(events[0], "first event").eventId,
    eventCount: events.length,
    bytes: encode(History, { events }),
  }));
  const putItems: Item[] = [];
  const deleteItems: ItemKey[] = [];
  if (draft.startedChanged) putItems.push({ kind: itemKinds.started, id: "", value: encode(HistoryEvent, startedEvent(draft)) });
  if (draft.core.memo !== draft.base.core.memo || draft.core.searchAttributes !== draft.base.core.searchAttributes) {
    const { memo, searchAttributes } = draft.core;
    putItems.push({ kind: itemKinds.properties, id: "", value: encode(RunCore, make(RunCore, { memo, searchAttributes })) });
  }
  const collect = <V>(
    kind: number,
    collection: Collection<string | number, V>,
    base: ReadonlyMap<string | number, V>,
    codec: Codec<V> | null,
  ): void => {
    for (const key of collection.touched) {
      const value = collection.get(key);
      if (value !== undefined) putItems.push({ kind, id: String(key), value: codec === null ? nothing : encode(codec, value) });
      else if (base.has(key)) deleteItems.push({ kind, id: String(key) });
    }
  };
  const { base } = draft;
  collect(itemKinds.activity, draft.activities, base.activities, PendingActivity);
  collect(itemKinds.timer, draft.timers, base.timers, PendingTimer);
  collect(itemKinds.child, draft.children, base.children, PendingChild);
  collect(itemKinds.externalSignal, draft.externalSignals, base.externalSignals, PendingExternal);
  collect(itemKinds.externalCancel, draft.externalCancels, base.externalCancels, PendingExternal);
  collect(itemKinds.update, draft.updates, base.updates, AcceptedUpdate);
  collect(itemKinds.requestId, draft.requestIds, base.requestIds, null);
  if (draft.buffered !== base.buffered) {
    const kept = new Set(draft.buffered);
    const known = new Set(base.buffered);
    for (const event of base.buffered) if (!kept.has(event)) deleteItems.push({ kind: itemKinds.buffered, id: String(event.taskId) });
    for (const event of draft.buffered)
      if (!known.has(event)) putItems.push({ kind: itemKinds.buffered, id: String(event.taskId), value: encode(HistoryEvent, event) });
  }
  if (history.length === 0 && putItems.length === 0 && deleteItems.length === 0 && equal(encodeCore(draft.core), encodeCore(base.core)))
    return null;
  draft.core.historyBytes += history.reduce((sum, batch) => sum + batch.bytes.length, 0);
  draft.core.stateTransitionCount++;
  return { core: encodeCore(draft.core), putItems, deleteItems, history };
}

/** A speculative workflow task is never stored: after a crash it has not been. Memo and search attributes are an item of their own. */
const encodeCore = (core: Readonly<RunCore>): Uint8Array =>
  encode(RunCore, {
    ...core,
    workflowTask: core.workflowTask?.speculative ? undefined : core.workflowTask,
    memo: undefined,
    searchAttributes: undefined,
  });

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index]);

function startedEvent(draft: Draft): HistoryEvent {
  return present(draft.batches[0]?.[0], "started event");
}

/** The state of a run from its stored parts. */
export function decodeRun(key: RunKey, stored: { readonly core: Uint8Array; readonly items: readonly Item[] }): MutableState {
  const empty = emptyState(key);
  const activities = new Map<number, PendingActivity>();
  const timers = new Map<string, PendingTimer>();
  const children = new Map<number, PendingChild>();
  const externalSignals = new Map<number, PendingExternal>();
  const externalCancels = new Map<number, PendingExternal>();
  const updates = new Map<string, AcceptedUpdate>();
  const requestIds = new Map<string, true>();
  const buffered: HistoryEvent[] = [];
  let { started, userMetadata, starter } = empty;
  let properties: Pick<RunCore, "memo" | "searchAttributes"> = { memo: undefined, searchAttributes: undefined };
  const readers: { readonly [kind: number]: (item: Item) => void } = {
    [itemKinds.started]: ({ value }) => {
      const event = HistoryEvent.decode(value);
      userMetadata = event.userMetadata;
      starter = event.principal;
      if (event.attributes?.$case === "workflowExecutionStartedEventAttributes") started = event.attributes.value;
    },
    [itemKinds.properties]: ({ value }) => {
      const { memo, searchAttributes } = RunCore.decode(value);
      properties = { memo, searchAttributes };
    },
    [itemKinds.activity]: ({ id, value }) => activities.set(Number(id), PendingActivity.decode(value)),
    [itemKinds.timer]: ({ id, value }) => timers.set(id, PendingTimer.decode(value)),
    [itemKinds.child]: ({ id, value }) => children.set(Number(id), PendingChild.decode(value)),
    [itemKinds.externalSignal]: ({ id, value }) => externalSignals.set(Number(id), PendingExternal.decode(value)),
    [itemKinds.externalCancel]: ({ id, value }) => externalCancels.set(Number(id), PendingExternal.decode(value)),
    [itemKinds.update]: ({ id, value }) => updates.set(id, AcceptedUpdate.decode(value)),
    [itemKinds.requestId]: ({ id }) => requestIds.set(id, true),
    [itemKinds.buffered]: ({ value }) => buffered.push(HistoryEvent.decode(value)),
  };
  for (const item of stored.items) present(readers[item.kind], `reader of item kind ${item.kind}`)(item);
  buffered.sort((a, b) => a.taskId - b.taskId);
  return {
    ...empty,
    core: { ...RunCore.decode(stored.core), ...properties },
    started,
    userMetadata,
    starter,
    activities,
    timers,
    children,
    externalSignals,
    externalCancels,
    updates,
    requestIds,
    buffered,
  };
}
