import { expect, test } from "vitest";
import type { Quota } from "./limits.ts";
import { reasonOf } from "./reason.ts";
import { type Tally, unused } from "./tally.ts";

const named = { key: "k", tenant: "shop", source: "rule main/r", by: "topic=pay" };
const breaker = { ...named, kind: "breaker", limit: { failures: 1, within: null, openFor: 1_000, probes: 1, successes: 1 } } as const;
const spend = { ...named, kind: "spend", limit: { unit: "money", max: 5, by: "tenant", per: 86_400_000 } } as const;

test.each<[Quota, Partial<Tally>, string]>([
  [{ ...named, kind: "rate", limit: { max: 3, per: 60_000, burst: null } }, {}, "at most 3 per 1m for topic=pay (rule main/r)"],
  [{ ...named, kind: "concurrency", max: 2 }, {}, "at most 2 at once (rule main/r)"],
  [
    breaker,
    { breaker: { state: "open", until: 5_000 } },
    "the circuit breaker for topic=pay is open until 1970-01-01T00:00:05.000Z (rule main/r)",
  ],
  [
    breaker,
    { breaker: { state: "half-open", probing: 1, succeeded: 0, since: 0 } },
    "the circuit breaker for topic=pay is being tried (rule main/r)",
  ],
  [spend, {}, "the budget of 5 money per 1d for topic=pay is used up until 1970-01-02T00:00:00.000Z (rule main/r)"],
  [{ ...spend, limit: { ...spend.limit, per: null } }, {}, "the budget of 5 money for topic=pay is used up (rule main/r)"],
])("%j", (quota, tally, expected) => {
  expect(reasonOf(quota, { ...unused, ...tally })).toBe(expected);
});
