import { afterEach, beforeEach, expect, test } from "vitest";
import { openCore, type TestCore } from "../service.test-kit.ts";

let core: TestCore;
beforeEach(async () => {
  core = await openCore();
});
afterEach(async () => {
  await core.stop();
  await core.store.close();
});

const acquire = (resource: string) => core.locks.acquire("default", { resource, owner: "a", mode: "exclusive", ttl: 100, force: null });

test("forgotten locks give way when there are too many, those that are held do not", async () => {
  for (const answer of await Promise.all(Array.from({ length: 1_000 }, (_, index) => acquire(`r-${index}`)))) expect(answer.ok).toBe(true);
  expect(await acquire("one-more")).toEqual({ ok: false, error: "too-many-locks" });
  expect((await acquire("r-7")).ok).toBe(true);
  core.clock.jump(100);
  expect((await acquire("one-more")).ok).toBe(true);
  expect(await core.store.listDocuments("lock", "", 1_000)).toHaveLength(1);
});
