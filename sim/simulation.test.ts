import { expect, test } from "vitest";
import { simulate } from "./simulation.ts";

// Thousands of small worlds in which everything goes wrong that may, and all ends well. A failure names the seed that repeats it.

const only = process.env.HOLDFAST_SIM_SEED;
const schedules = Number(process.env.HOLDFAST_SIM_SCHEDULES ?? 1_000);
const seeds = only === undefined ? Array.from({ length: schedules }, (_, index) => index + 1) : [Number(only)];
/** What a schedule may take at most, a slow machine considered. */
const scheduleMsMax = 200;

test(`${seeds.length} schedules with crashes, lost answers and dying workers`, {
  timeout: 5_000 + seeds.length * scheduleMsMax,
}, async () => {
  const total = { crashes: 0, runs: 0, events: 0 };
  for (const seed of seeds) {
    const { crashes, runs, events } = await simulate(seed).catch((cause: unknown) => {
      throw new Error(`schedule ${seed} failed (HOLDFAST_SIM_SEED=${seed} repeats it alone): ${String(cause)}`, { cause });
    });
    total.crashes += crashes;
    total.runs += runs;
    total.events += events;
  }
  // Otherwise it would prove little.
  if (only === undefined) expect(total.crashes).toBeGreaterThan(seeds.length / 2);
  console.log(`${seeds.length} schedules: ${total.runs} runs, ${total.events} events, ${total.crashes} crashes`);
});

test("a seed determines all of a schedule", async () => {
  for (const seed of [3, 24, 1_139]) expect(await simulate(seed)).toEqual(await simulate(seed));
});
