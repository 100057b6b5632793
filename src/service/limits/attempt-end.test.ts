import { expect, test } from "vitest";
import type { Quota } from "../../governance/limits/limits.ts";
import type { Taken } from "../../governance/limits/tally.ts";
import { make } from "../../protocol/codec.ts";
import { Payload } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { spentOf, type Usage, usageOf } from "./attempt-end.ts";

test.each<[written: string, usage: Usage | null]>([
  // what the metadata says                what is reported
  ['{"tokens": 12, "usd": 0.5}', { tokens: 12, usd: 0.5 }],
  ['{"tokens": 0}', { tokens: 0 }],
  ['{"tokens": 12, "model": "x"}', { tokens: 12 }],
  ['{"tokens": -1, "usd": 2}', { usd: 2 }],
  ['{"tokens": "12"}', {}],
  ['{"usd": 1e999}', {}],
  ["[1, 2]", {}],
  ["null", null],
  ["12", null],
  ["not JSON", null],
  ["", null],
])("metadata `%s`", (written, usage) => {
  expect(usageOf(make(Payload, { metadata: { "holdfast-usage": Buffer.from(written) } }))).toEqual(usage);
});

test("a payload without the metadata, and no payload at all, report nothing", () => {
  expect([usageOf(make(Payload)), usageOf(undefined)]).toEqual([null, null]);
});

test.each<[unit: "tokens" | "money" | "actions", usage: Usage | null, spent: number]>([
  ["tokens", { tokens: 12, usd: 1 }, 12],
  ["money", { tokens: 12, usd: 0.1 + 0.2 }, 0.3],
  ["tokens", { usd: 1 }, 30],
  ["tokens", null, 30],
  ["tokens", { tokens: 500 }, 500],
  ["actions", { tokens: 12 }, 1],
])("of a budget in %s with 30 reserved, an attempt that reports %j spends %d", (unit, usage, spent) => {
  const quota: Quota = {
    kind: "spend",
    key: "k",
    tenant: "t",
    source: "s",
    by: "run=w/r",
    limit: { unit, max: 100, by: "run", per: null },
  };
  const taken: Taken = { quota, reservation: { start: 0, amount: 30 } };
  expect(spentOf(taken, { how: "succeeded", usage })).toBe(spent);
});
