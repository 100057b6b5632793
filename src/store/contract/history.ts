import { expect, test } from "vitest";
import type { Store } from "../store.ts";
import { batch, committed, creation, runKey, update } from "./material.ts";

export function historyContract(fresh: () => Promise<Store>): void {
  test.each([
    // from  to  eventsMax   oldest first      newest first      batches: 1–2, 3, 4–6, 7
    [1, 7, 100, [1, 3, 4, 7], [7, 4, 3, 1]],
    [2, 2, 100, [1], [1]],
    [3, 5, 100, [3, 4], [4, 3]],
    [5, 6, 100, [4], [4]],
    [6, 99, 100, [4, 7], [7, 4]],
    [1, 7, 1, [1], [7]],
    [1, 7, 3, [1, 3], [7, 4]],
    [1, 7, 4, [1, 3, 4], [7, 4]],
    [8, 99, 100, [], []],
  ])(
    "events %i to %i, at most %i or what completes a batch → batches %j, in reverse %j",
    async (fromEventId, toEventId, eventsMax, forth, back) => {
      const store = await fresh();
      const run = runKey(2);
      const neighbours = [runKey(1), runKey(3)].map((key) => creation(key, { history: [batch(1, 9)] }));
      await committed(store, { runs: [...neighbours, creation(run, { history: [batch(1, 2), batch(3, 1)] })] });
      await committed(store, { runs: [update(run, 1, { history: [batch(4, 3), batch(7, 1)] })] });
      const range = { fromEventId, toEventId, eventsMax };
      expect((await store.readHistory(run, range)).map(({ firstEventId }) => firstEventId)).toEqual(forth);
      expect((await store.readHistoryReverse(run, range)).map(({ firstEventId }) => firstEventId)).toEqual(back);
    },
  );

  test("large batches come back byte for byte", async () => {
    const store = await fresh();
    const run = runKey(1);
    const large = Uint8Array.from({ length: 2_000_000 }, (_, index) => index % 251);
    await committed(store, { runs: [creation(run, { history: [{ firstEventId: 1, eventCount: 3, bytes: large }] })] });
    const [read] = await store.readHistory(run, { fromEventId: 1, toEventId: 3, eventsMax: 10 });
    expect(read?.eventCount).toBe(3);
    expect(Buffer.compare(read?.bytes ?? new Uint8Array(), large)).toBe(0);
  });
}
