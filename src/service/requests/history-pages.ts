import type { RunKey } from "../../execution/execution.ts";
import { encode } from "../../protocol/codec.ts";
import { History, type HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import type { HistoryBatch, Store } from "../../store/store.ts";

/** Events of one page at most; a batch is never cut, so that a page may hold a few more. */
export const historyPageEventsMax = 256;
/** A page ends after the batch that takes it past this. */
const pageBytesMax = 2 * 2 ** 20;

/** Where the next page of a history begins. Opaque to clients. */
export type HistoryPageToken = {
  readonly runId: string;
  readonly nextEventId: number;
  /** Last event of the history that is being paged, so that all pages show one moment; null to follow it as it grows. */
  readonly toEventId: number | null;
};

export const encodePageToken = (token: HistoryPageToken): Uint8Array => Buffer.from(JSON.stringify(token));

export function decodePageToken(bytes: Uint8Array): HistoryPageToken | null {
  try {
    const token: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (typeof token !== "object" || token === null) return null;
    const { runId, nextEventId, toEventId } = token as Partial<HistoryPageToken>;
    const valid = typeof runId === "string" && Number.isSafeInteger(nextEventId) && (toEventId === null || Number.isSafeInteger(toEventId));
    return valid ? (token as HistoryPageToken) : null;
  } catch {
    return null;
  }
}

/** The stored bytes of events `fromEventId` to `toEventId`, as many as fit one page, and where the rest begins (0: nowhere). */
export async function readPage(
  store: Pick<Store, "readHistory">,
  key: RunKey,
  range: { fromEventId: number; toEventId: number; eventsMax: number },
): Promise<{ readonly bytes: Uint8Array; readonly nextEventId: number }> {
  if (range.fromEventId > range.toEventId) return { bytes: new Uint8Array(0), nextEventId: 0 };
  const batches = await store.readHistory(key, range);
  const page: Uint8Array[] = [];
  let size = 0;
  let nextEventId = range.fromEventId;
  for (const batch of batches) {
    if (size > pageBytesMax) break;
    const bytes = within(batch, range);
    page.push(bytes);
    size += bytes.length;
    nextEventId = batch.firstEventId + batch.eventCount;
  }
  return { bytes: joined(page), nextEventId: nextEventId > range.toEventId || page.length === 0 ? 0 : nextEventId };
}

/** A batch that reaches beyond the range is the rare one that has to be decoded. */
function within(batch: HistoryBatch, { fromEventId, toEventId }: { fromEventId: number; toEventId: number }): Uint8Array {
  const last = batch.firstEventId + batch.eventCount - 1;
  if (batch.firstEventId >= fromEventId && last <= toEventId) return batch.bytes;
  const events = History.decode(batch.bytes).events.filter(({ eventId }) => eventId >= fromEventId && eventId <= toEventId);
  return encode(History, { events });
}

const joined = (parts: readonly Uint8Array[]): Uint8Array =>
  parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);

/** The history that goes with a workflow task; `tail` holds the events of the task itself that are not stored. */
export async function firstHistoryPage(
  store: Pick<Store, "readHistory">,
  key: RunKey,
  task: { fromEventId: number; toEventId: number; tail: readonly HistoryEvent[] },
): Promise<{ readonly bytes: Uint8Array; readonly nextPageToken: Uint8Array }> {
  const { fromEventId, toEventId, tail } = task;
  const page = await readPage(store, key, { fromEventId, toEventId, eventsMax: historyPageEventsMax });
  if (page.nextEventId === 0) {
    const bytes = tail.length === 0 ? page.bytes : joined([page.bytes, encode(History, { events: [...tail] })]);
    return { bytes, nextPageToken: new Uint8Array(0) };
  }
  return { bytes: page.bytes, nextPageToken: encodePageToken({ runId: key.runId, nextEventId: page.nextEventId, toEventId }) };
}
