import { describe, expect, test } from "vitest";
import { type Action, actionOf } from "../action.ts";
import { inputOfValues } from "../action-input.ts";
import { ActionView } from "./action-view.ts";
import { compileExpression } from "./expression.ts";

const action = actionOf({
  namespace: "Shop",
  kind: "activity",
  topic: "activity.Refund",
  name: "Refund",
  labels: new Map([["env", "prod"]]),
  capability: "payment.refund",
  riskTags: ["money"],
  requires: ["network"],
  packId: "billing",
  principal: { id: "ann", kind: "human", roles: ["clerk"] },
  workflowType: "Order",
  workflowId: "order-7",
  runId: "run-1",
  actionId: "5",
  taskQueue: "orders",
  attempt: 2,
  mcp: { server: "git", tool: "push", resource: "", action: "write" },
  input: inputOfValues([
    { amount: 1500.5, count: 3, items: [{ sku: "a" }, { sku: "b" }], note: null, email: "ann@shop.example" },
    "second",
  ]),
});

function holds(source: string, change: Partial<Action> = {}): boolean | string {
  const compiled = compileExpression(source);
  if (!compiled.ok) return `${compiled.error.offset}: ${compiled.error.message}`;
  const verdict = compiled.value.holds(new ActionView({ ...action, ...change }));
  return verdict.ok ? verdict.value : verdict.error;
}

describe("variables", () => {
  test.each([
    ["input.amount > 1000", true],
    ["input.amount > 2000.0", false],
    ["input.count == 3", true],
    ["input.items.size() == 2", true],
    ['input.items.exists(item, item.sku == "b")', true],
    ["input.items.all(item, has(item.price))", false],
    ["has(input.discount) && input.discount > 10", false],
    ["input.note == null", true],
    ['args[1] == "second"', true],
    ['tenant == "shop"', true],
    ['kind == "activity"', true],
    ['topic.startsWith("activity.")', true],
    ['name == "Refund" && capability == "payment.refund" && pack_id == "billing"', true],
    ['labels.env == "prod"', true],
    ['"region" in labels', false],
    ['labels[?"region"].orValue("eu") == "eu"', true],
    ['"money" in risk_tags && "network" in requires', true],
    ['principal.id == "ann" && principal.kind == "human" && "clerk" in principal.roles', true],
    ['workflow_type == "Order" && workflow_id == "order-7" && run_id == "run-1" && action_id == "5"', true],
    ['task_queue == "orders" && attempt == 2', true],
    ["secrets_present", false],
    ['mcp.server == "git" && mcp.tool == "push" && mcp.resource == "" && mcp.action == "write"', true],
    ['input.email.matches("^[^@]+@shop[.]example$")', true],
  ] as const)("%s is %s", (source, expected) => {
    expect(holds(source)).toBe(expected);
  });
});

describe("what cannot be told is said", () => {
  test.each<[string, Partial<Action>, boolean | string]>([
    ["input.price > 10", {}, "no such key: price"],
    ["input.email > 10", {}, "no such overload: dyn<string> > int"],
    ['labels.region == "eu"', {}, "no such key: region"],
    ["input.amount", {}, "the expression gave number, and a condition is true or false"],
    ["input.amount > 10", { input: inputOfValues([]) }, "no such key: amount"],
    ["input.amount > 10", { input: inputOfValues([1], "binary/encrypted") }, "the input is no JSON, it is encoded as `binary/encrypted`"],
    // Whoever never looks into it is not disturbed by it.
    ['topic == "other" && input.amount > 10', { input: inputOfValues([1], "binary/encrypted") }, false],
    ["attempt > 1 || input.amount > 10", { input: inputOfValues([1], "binary/encrypted") }, true],
  ])("%s", (source, change, expected) => {
    expect(holds(source, change)).toBe(expected);
  });
});

describe("refused when the policy is loaded", () => {
  test.each([
    ["input.amount >", "14: unexpected token: EOF"],
    ["inputt.amount > 1", "0: unknown variable: inputt"],
    ["topic == 3", "0: no such overload: string == int"],
    ["attempt > 1.5 && topic", "0: "],
    ["principal.role == 'x'", "10: no such key: role"],
    ["topic", "0: is string, and a condition is bool"],
    ["1 + 1", "0: is int, and a condition is bool"],
    ["cel.bind(x, topic, x == 'a')", "0: `cel.bind` is not allowed"],
    ["topic.matches(name)", "14: the pattern of `matches` must be a text in the policy"],
    ["topic.matches('(a+)+b')", "14: a repeated group in the pattern of `matches` must not hold repetitions or `|`"],
    ["args.all(a, args.all(b, args.all(c, args.all(d, a == d))))", "0: loops stand 4 deep in each other, and at most 3 are allowed"],
  ] as const)("%s", (source, problem) => {
    expect(String(holds(source))).toContain(problem);
    expect(compileExpression(source).ok).toBe(false);
  });

  test("an endless expression", () => {
    expect(holds(`${"topic == 'x' || ".repeat(200)}true`)).toMatch(/maxAstNodes/);
  });
});

describe("cost is bounded by expression and input together", () => {
  const numbers = (count: number): Partial<Action> => ({ input: inputOfValues([Array.from({ length: count }, (_, index) => index)]) });
  const tooLarge = "the input is too large for this expression";

  test.each<[string, Partial<Action>, boolean | string]>([
    ["input.all(a, a >= 0.0)", numbers(10_000), true],
    ["input.all(a, input.exists(b, b == a))", numbers(50), true],
    ["input.all(a, input.exists(b, b == a))", numbers(10_000), tooLarge],
    ['input.matches("^x*y")', { input: inputOfValues(["x".repeat(100_000)]) }, false],
    ['input.matches("x*y")', { input: inputOfValues(["x".repeat(100_000)]) }, tooLarge],
    ['labels.env.matches("x*y*z")', { labels: new Map([["env", "x".repeat(10_000)]]) }, tooLarge],
  ])("%s", (source, change, expected) => {
    expect(holds(source, change)).toBe(expected);
  });
});
