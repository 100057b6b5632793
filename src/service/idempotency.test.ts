import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hourMs } from "../base/time.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createCommitter } from "./committer.ts";
import { createIdempotency, type Done, type Idempotency } from "./idempotency.ts";
import { type ManualClock, manualClock, openTestStore, type TestStore } from "./service.test-kit.ts";

let store: TestStore;
let clock: ManualClock;
/** What has been done, by request id: doing it again changes nothing. */
let effects: Map<string, number>;
let acts: string[];
beforeEach(async () => {
  store = await openTestStore();
  clock = manualClock();
  effects = new Map();
  acts = [];
});
afterEach(() => store.close());

/** A server on the store. */
const start = (): Idempotency =>
  createIdempotency({ store, committer: createCommitter({ store, metrics: createMetrics() }), clock, newId: randomUUID });
const request = (fingerprint = "body", key = "k", tenant = "default") => ({ scope: [tenant, "POST /runs"], key, fingerprint });
const act = async (requestId: string): Promise<Done> => {
  acts.push(requestId);
  if (!effects.has(requestId)) effects.set(requestId, effects.size + 1);
  return { answer: `run ${effects.get(requestId)}`, hadEffect: true };
};
const refuse = async (): Promise<Done> => ({ answer: "refused", hadEffect: false });
const reused = { ok: false, error: "idempotency-key-reused" };
const answered = (value: string) => ({ ok: true, value });

test("the second request is answered as the first, by a restarted server too", async () => {
  const server = start();
  expect(await server.once(request(), act)).toEqual(answered("run 1"));
  expect(await server.once(request(), act)).toEqual(answered("run 1"));
  expect(await start().once(request(), act)).toEqual(answered("run 1"));
  expect(acts.length).toBe(1);
});

test("a hundred at the same time have one effect and one answer", async () => {
  const server = start();
  const answers = await Promise.all(Array.from({ length: 100 }, () => server.once(request(), act)));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(acts.length).toBe(1);
});

test("servers that share a database give one answer as well", async () => {
  const answers = await Promise.all([start(), start(), start()].map((server) => server.once(request(), act)));
  expect(answers).toEqual([answered("run 1"), answered("run 1"), answered("run 1")]);
  expect(effects.size).toBe(1);
});

test("a key stands for one request, of one tenant and route", async () => {
  const server = start();
  const first = server.once(request(), act);
  expect(await server.once(request("other body"), act)).toEqual(reused);
  await first;
  expect(await server.once(request("other body"), act)).toEqual(reused);
  expect(await server.once(request("other body", "k", "other tenant"), act)).toEqual(answered("run 2"));
});

test("a refusal leaves the key free", async () => {
  const server = start();
  expect(await server.once(request(), refuse)).toEqual(answered("refused"));
  expect(await server.once(request("corrected"), act)).toEqual(answered("run 1"));
});

describe("a server that dies", () => {
  test("before the claim: the next request is the first", async () => {
    const heal = store.fail();
    await expect(start().once(request(), act)).rejects.toThrow("disk full");
    heal();
    expect(acts).toEqual([]);
    expect(await start().once(request("another body"), act)).toEqual(answered("run 1"));
  });

  test("between claim and effect: the next request has the effect", async () => {
    await expect(start().once(request(), () => Promise.reject(new Error("killed")))).rejects.toThrow("killed");
    expect(await start().once(request("another body"), act)).toEqual(reused);
    expect(await start().once(request(), act)).toEqual(answered("run 1"));
  });

  test("between effect and answer: the next request finds the effect", async () => {
    let heal = () => {};
    const actAndFail = async (requestId: string): Promise<Done> => {
      const done = await act(requestId);
      heal = store.fail();
      return done;
    };
    await expect(start().once(request(), actAndFail)).rejects.toThrow("disk full");
    heal();
    expect(await start().once(request(), act)).toEqual(answered("run 1"));
    expect([acts.length, effects.size]).toEqual([2, 1]);
  });
});

test("an answer that is too large to keep is made again, without another effect", async () => {
  const large = async (requestId: string) => ({ ...(await act(requestId)), answer: "x".repeat(2 ** 18 + 1) });
  const server = start();
  const first = await server.once(request(), large);
  expect(await server.once(request(), large)).toEqual(first);
  expect([acts.length, effects.size]).toEqual([2, 1]);
});

test("after a day the key is free, and what was kept of it is deleted", async () => {
  const server = start();
  await server.once(request(), act);
  clock.jump(24 * hourMs - 1);
  await server.once(request("body", "k2"), act);
  expect(await server.deleteExpired()).toBe(0);
  clock.jump(1);
  expect(await server.once(request("new body"), act)).toEqual(answered("run 3"));
  expect(await server.deleteExpired()).toBe(0);
  clock.jump(24 * hourMs);
  expect(await server.deleteExpired()).toBe(2);
  for (const kind of ["idempotency-key", "idempotency-expiry"]) expect(await store.listDocuments(kind, "", 10)).toEqual([]);
});

test("more expired keys than a page are deleted in one pass", async () => {
  const server = start();
  await Promise.all(Array.from({ length: 450 }, (_, number) => server.once(request("body", `k${number}`), act)));
  clock.jump(25 * hourMs);
  expect(await server.deleteExpired()).toBe(450);
});

test("whatever dies when: an effect for each key, and all answers to it are equal", async () => {
  const step = fc.record({ key: fc.constantFrom("a", "b"), fate: fc.constantFrom("lives", "dies before", "dies after", "refuses") });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      store = await openTestStore();
      effects = new Map();
      const answers = new Map<string, Set<string>>([
        ["a", new Set()],
        ["b", new Set()],
      ]);
      for (const { key, fate } of steps) {
        const answer = await start()
          .once(request("body", key), async (requestId) => {
            // What has had its effect is not refused any more.
            if (fate === "refuses" && !effects.has(requestId)) return refuse();
            if (fate === "dies before") throw new Error("killed");
            const done = await act(requestId);
            if (fate === "dies after") throw new Error("killed");
            return done;
          })
          .catch(() => null);
        if (answer?.ok && answer.value !== "refused") answers.get(key)?.add(answer.value);
      }
      for (const seen of answers.values()) expect(seen.size).toBeLessThanOrEqual(1);
      expect(effects.size).toBeLessThanOrEqual(2);
      await store.close();
    }),
    { numRuns: 60 },
  );
  store = await openTestStore();
});
