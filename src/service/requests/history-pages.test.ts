import { describe, expect, test } from "vitest";
import { drawHistory } from "../../execution/execution.test-kit.ts";
import { encode, make } from "../../protocol/codec.ts";
import { EventType } from "../../protocol/generated/temporal/api/enums/v1/event_type.ts";
import { History, HistoryEvent, MarkerRecordedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { change, creation, runKey } from "../../store/contract/material.ts";
import { openTestStore } from "../service.test-kit.ts";
import { decodePageToken, encodePageToken, firstHistoryPage, historyPageEventsMax, readPage } from "./history-pages.ts";

const key = runKey(1);
const event = (eventId: number, bytes = 0): HistoryEvent =>
  make(HistoryEvent, {
    eventId,
    eventType: EventType.MARKER_RECORDED,
    attributes: {
      $case: "markerRecordedEventAttributes",
      value: make(MarkerRecordedEventAttributes, { markerName: "m".repeat(bytes) }),
    },
  });

/** A store with one run whose history has batches of these sizes. */
async function storeWith(sizes: readonly number[], bytes = 0) {
  const store = await openTestStore();
  let next = 1;
  const history = sizes.map((eventCount) => {
    const events = Array.from({ length: eventCount }, () => event(next++, bytes));
    return { firstEventId: next - eventCount, eventCount, bytes: encode(History, { events }) };
  });
  await store.commit([change({ runs: [creation(key, { history })] })]);
  return store;
}
const ids = (bytes: Uint8Array) => History.decode(bytes).events.map(({ eventId }) => eventId);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("a page", () => {
  test.each([
    // batches     from  to  at most    events          the rest begins at
    [[2, 3, 1], 1, 6, 256, range(1, 6), 0],
    [[2, 3, 1], 1, 6, 2, range(1, 2), 3],
    [[2, 3, 1], 1, 6, 3, range(1, 5), 6], // a batch is never cut for the page's size
    [[2, 3, 1], 6, 6, 256, [6], 0],
    [[2, 3, 1], 4, 6, 256, range(4, 6), 0], // but is for where the page begins
    [[2, 3, 1], 1, 4, 256, range(1, 4), 0], // and for the moment that it shows
    [[2, 3, 1], 4, 4, 256, [4], 0],
    [[2, 3, 1], 7, 6, 256, [], 0],
    [[2, 3, 1], 1, 99, 256, range(1, 6), 7],
  ] as const)("of batches %j, from %i to %i, %i at most", async (batches, fromEventId, toEventId, eventsMax, events, next) => {
    const page = await readPage(await storeWith(batches), key, { fromEventId, toEventId, eventsMax });
    expect([ids(page.bytes), page.nextEventId]).toEqual([events, next]);
  });

  test("ends after the batch that takes it past 2 MiB", async () => {
    const store = await storeWith([1, 1, 1, 1], 900_000);
    const page = await readPage(store, key, { fromEventId: 1, toEventId: 4, eventsMax: 256 });
    expect([ids(page.bytes), page.nextEventId]).toEqual([[1, 2, 3], 4]);
  });

  test("of a run that is gone is empty", async () => {
    const store = await storeWith([1]);
    expect(await readPage(store, runKey(2), { fromEventId: 1, toEventId: 5, eventsMax: 256 })).toMatchObject({ nextEventId: 0 });
  });

  test("is stored bytes, joined: what a reader gets was never decoded", async () => {
    const store = await storeWith([2, 2]);
    const page = await readPage(store, key, { fromEventId: 1, toEventId: 4, eventsMax: 256 });
    const batches = await store.readHistory(key, { fromEventId: 1, toEventId: 4, eventsMax: 256 });
    expect(Buffer.concat(batches.map(({ bytes }) => bytes)).equals(page.bytes)).toBe(true);
  });
});

describe("the history of a workflow task", () => {
  const tail = [event(5), event(6)];

  test("ends with the events of the task itself that are not stored", async () => {
    const page = await firstHistoryPage(await storeWith([4]), key, { fromEventId: 1, toEventId: 4, tail });
    expect(ids(page.bytes)).toEqual(range(1, 6));
    expect(page.nextPageToken).toHaveLength(0);
    expect(drawHistory(History.decode(page.bytes).events.slice(0, 1))).toBe("1 MarkerRecorded");
  });

  test("may be nothing else, for a worker that knows the rest", async () => {
    const page = await firstHistoryPage(await storeWith([4]), key, { fromEventId: 5, toEventId: 4, tail });
    expect(ids(page.bytes)).toEqual([5, 6]);
  });

  test("goes on with a token when it is long; the tail then comes with the last page", async () => {
    const count = historyPageEventsMax + 10;
    const page = await firstHistoryPage(await storeWith(range(1, count).map(() => 1)), key, { fromEventId: 1, toEventId: count, tail });
    expect(ids(page.bytes)).toEqual(range(1, historyPageEventsMax));
    expect(decodePageToken(page.nextPageToken)).toEqual({ runId: key.runId, nextEventId: historyPageEventsMax + 1, toEventId: count });
  });
});

describe("a page token", () => {
  test.each([
    { runId: "r", nextEventId: 7, toEventId: 9 },
    { runId: "r", nextEventId: 7, toEventId: null },
  ])("%j is read back", (token) => {
    expect(decodePageToken(encodePageToken(token))).toEqual(token);
  });

  test.each([
    "",
    "token",
    "null",
    "[]",
    '{"runId":1,"nextEventId":7,"toEventId":9}',
    '{"runId":"r","nextEventId":"7","toEventId":9}',
    '{"runId":"r"}',
  ])("%j is none", (text) => {
    expect(decodePageToken(Buffer.from(text))).toBeNull();
  });
});
