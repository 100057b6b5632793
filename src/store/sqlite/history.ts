import type { Database } from "better-sqlite3";
import { assert } from "../../base/assert.ts";
import type { HistoryBatch } from "../store.ts";

/** An event id takes the low 22 bits of a batch's position (4 million, far above any history limit), the run's number the 41 above. */
const eventIdMax = 2 ** 22 - 1;
const position = "((? << 22) | ?)";

export type HistoryRange = { fromEventId: number; toEventId: number; eventsMax: number };
export type Histories = ReturnType<typeof openHistories>;

/** History batches, each at the position of its first event. */
export function openHistories(db: Database) {
  const insert = db.prepare<[number, number, number, Uint8Array]>(
    `INSERT INTO history (position, event_count, bytes) VALUES (${position}, ?, ?)`,
  );
  const remove = db.prepare<[number, number, number, number]>(`DELETE FROM history WHERE position BETWEEN ${position} AND ${position}`);
  const holding = db
    .prepare<[number, number, number, number], number>(
      `SELECT position & ${eventIdMax} FROM history WHERE position BETWEEN ${position} AND ${position} ORDER BY position DESC LIMIT 1`,
    )
    .pluck();
  const select = (direction: "ASC" | "DESC") =>
    db.prepare<[number, number, number, number], HistoryBatch>(
      `SELECT position & ${eventIdMax} AS firstEventId, event_count AS eventCount, bytes FROM history
       WHERE position BETWEEN ${position} AND ${position} ORDER BY position ${direction}`,
    );
  const oldestFirst = select("ASC");
  const newestFirst = select("DESC");

  function read(statement: typeof oldestFirst, run: number, { fromEventId, toEventId, eventsMax }: HistoryRange): readonly HistoryBatch[] {
    const from = Math.min(fromEventId, eventIdMax);
    const to = Math.min(toEventId, eventIdMax);
    // The first event asked for may be in the middle of a batch.
    const start = holding.get(run, 0, run, from) ?? from;
    const batches: HistoryBatch[] = [];
    let events = 0;
    for (const batch of statement.iterate(run, start, run, to)) {
      if (batch.firstEventId + batch.eventCount <= from) continue;
      batches.push(batch);
      events += batch.eventCount;
      if (events >= eventsMax) break;
    }
    return batches;
  }

  return {
    append(run: number, { firstEventId, eventCount, bytes }: HistoryBatch): void {
      assert(firstEventId + eventCount - 1 <= eventIdMax, `event id ${firstEventId} is beyond ${eventIdMax}`);
      insert.run(run, firstEventId, eventCount, bytes);
    },
    read: (run: number, range: HistoryRange) => read(oldestFirst, run, range),
    readReverse: (run: number, range: HistoryRange) => read(newestFirst, run, range),
    removeOfRun: (run: number): void => void remove.run(run, 0, run, eventIdMax),
  };
}
