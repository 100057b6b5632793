import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatActionId,
  formatTimerId,
  isStepId,
  jobIdOf,
  parseActionId,
  parseJobId,
  parseTimerId,
  splitAttempt,
  timerPurposes,
} from "./action-id.ts";

describe("ids read back as what they were", () => {
  const stepId = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/).filter(isStepId);
  const action = fc.record({
    stepId,
    item: fc.option(fc.nat(99_999)),
    compensates: fc.boolean(),
    attempt: fc.integer({ min: 1, max: 999 }),
  });
  test("of actions, jobs and timers", () => {
    fc.assert(
      fc.property(action, fc.constantFrom(...timerPurposes), (id, purpose) => {
        const text = formatActionId(id);
        expect(parseActionId(text)).toEqual(id);
        expect(parseJobId(jobIdOf("run:1", text))).toEqual({ runId: "run:1", actionId: text });
        expect(parseTimerId(formatTimerId(id, purpose))).toEqual({ action: id, purpose });
      }),
    );
  });
});

test.each([
  ["apply_patch@2", { stepId: "apply_patch", item: null, compensates: false, attempt: 2 }],
  ["step[3]@1", { stepId: "step", item: 3, compensates: false, attempt: 1 }],
  ["step[3].compensate@1", { stepId: "step", item: 3, compensates: true, attempt: 1 }],
  ["step", null],
  ["step@", null],
  ["a.b@1", null],
] as const)("%s", (text, id) => {
  expect(parseActionId(text)).toEqual(id);
});

test.each([
  ["apply_patch@2", { action: "apply_patch", attempt: 2 }],
  ["step[3].compensate@1", { action: "step[3].compensate", attempt: 1 }],
  ["run:7:sub@3", { action: "run:7:sub", attempt: 3 }],
  ["run:7", null],
  ["1", null],
] as const)("the action and the attempt of %s", (id, split) => {
  expect(splitAttempt(id)).toEqual(split);
});
