import { describe, expect, test } from "vitest";
import { checkArtifact, checkBudget, checkTool, constraints, decision, idempotencyKey, redact, reportUsage } from "./activity.ts";
import { denialOf, isPolicyDenied } from "./denial.ts";
import { governedEnvironment } from "./testing.ts";

// What a user's own test of an activity looks like.

describe("an activity under constraints", () => {
  test("sees them, and is refused as the server refuses", async () => {
    const environment = governedEnvironment({
      toolchain: { allowedTools: ["git"] },
      budgets: { maxArtifactBytes: 10 },
      redactPatterns: ["X+"],
    });
    expect(await environment.run(async () => constraints().toolchain)).toEqual({ allowedTools: ["git"] });
    expect(await environment.run(async () => redact("aXXb"))).toBe("a[redacted]b");
    const refused = await environment.run(async () => checkTool("rm")).catch((error: unknown) => error);
    expect(denialOf(refused)).toEqual({ rule: "test", reason: "the tool `rm` is not allowed", snapshot: "", remediations: [] });
    await expect(environment.run(async () => checkArtifact(11))).rejects.toThrow("an artifact of 11 bytes, and at most 10 are allowed");
    await environment.run(async () => checkArtifact(10));
  });

  test("reports usage, and asks before it would use too much", async () => {
    const environment = governedEnvironment({ spend: [{ unit: "tokens", max: 100, by: "run", per: null }] });
    await environment.run(async () => {
      checkBudget({ tokens: 100 });
      reportUsage({ tokens: 60, usd: 0.5 });
      checkBudget({ tokens: 40, usd: 9 });
    });
    await expect(environment.run(async () => checkBudget({ tokens: 41 }))).rejects.toThrow("101 tokens, and at most 100 are allowed");
    await expect(environment.run(async () => reportUsage({ tokens: -1 }))).rejects.toThrow("usage is a number from 0");
    await expect(environment.run(async () => reportUsage({ usd: Number.NaN }))).rejects.toThrow(TypeError);
    expect(environment.usage()).toEqual({ tokens: 60, usd: 0.5 });
  });

  test("has the caller's idempotency key", async () => {
    const given = governedEnvironment({}, { fields: { idempotencyKey: "order-7" } });
    expect(await given.run(async () => idempotencyKey())).toBe("order-7");
  });
});

test("outside of a governed activity nothing is taken for permitted", () => {
  for (const ask of [constraints, decision, () => checkTool("git"), () => reportUsage({ tokens: 1 })]) expect(ask).toThrow(TypeError);
});

test.each([
  [new Error("no"), null],
  [undefined, null],
  [{ code: 7, details: "no" }, null],
  [
    { cause: { code: 7, metadata: {}, details: "the start of workflow type `W` is denied by rule `r`: not (now) (policy snapshot ab12)" } },
    { rule: "r", reason: "not (now)", snapshot: "ab12", remediations: [] },
  ],
  [
    { code: 7, metadata: {}, details: "not yours" },
    { rule: null, reason: "not yours", snapshot: "", remediations: [] },
  ],
])("the denial in %j", (error, denial) => {
  expect(denialOf(error)).toEqual(denial);
  expect(isPolicyDenied(error)).toBe(denial !== null);
});
