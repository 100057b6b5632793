import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Action, actionOf, defaultTopic, jobHash, mcpCallOf, secretsPresent } from "./action.ts";
import { inputOfPayloads, inputOfValues, noInput } from "./action-input.ts";

const labels = (entries: { readonly [key: string]: string }): ReadonlyMap<string, string> => new Map(Object.entries(entries));

const charge = actionOf({
  namespace: "Shop",
  topic: "activity.ChargeCard",
  name: "ChargeCard",
  labels: labels({ env: "prod", region: "eu" }),
  capability: "payment.charge",
  riskTags: ["money", "prod"],
  workflowType: "Order",
  workflowId: "order-7",
  runId: "run-1",
  actionId: "5",
  input: inputOfValues([{ amount: 1200, currency: "EUR" }]),
});

describe("the job hash names what is asked for", () => {
  test("fixed vectors: whoever stores a hash can rely on them", () => {
    expect(jobHash(charge)).toBe("821e46eb199459910a8d6676cfb171ef09236b27a1d91c88764c9b2647fe38ee");
    expect(jobHash(actionOf({}))).toBe("8669eec0ade94ac741ea640a0aee532476fb9beb425b830b337f45d79804ba80");
  });

  test.each<[string, Partial<Action>]>([
    ["another attempt", { attempt: 3 }],
    ["another principal", { principal: { id: "eve", kind: "human", roles: ["admin"] } }],
    ["risk tags in another order, one twice", { riskTags: ["prod", "money", "prod"] }],
    ["labels in another order", { labels: labels({ region: "eu", env: "prod" }) }],
    ["the tenant in another case", { namespace: "shop" }],
    ["the same input with its keys in another order", { input: inputOfValues([{ currency: "EUR", amount: 1200 }]) }],
  ])("stays the same with %s", (_what, change) => {
    expect(jobHash({ ...charge, ...change })).toBe(jobHash(charge));
  });

  test.each<[string, Partial<Action>]>([
    ["namespace", { namespace: "other" }],
    ["topic", { topic: "activity.Refund" }],
    ["kind", { kind: "job" }],
    ["name", { name: "Refund" }],
    ["labels", { labels: labels({ env: "prod", region: "us" }) }],
    ["capability", { capability: "payment.refund" }],
    ["risk tags", { riskTags: ["money"] }],
    ["input", { input: inputOfValues([{ amount: 1201, currency: "EUR" }]) }],
    ["workflow id", { workflowId: "order-8" }],
    ["run id", { runId: "run-2" }],
    ["action id", { actionId: "6" }],
  ])("changes with the %s", (_what, change) => {
    expect(jobHash({ ...charge, ...change })).not.toBe(jobHash(charge));
  });
});

describe("input", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const payload = (encoding: string, data: string) => ({
    metadata: { encoding: bytes(encoding) },
    data: bytes(data),
    externalPayloads: [],
  });

  test.each([
    ["json/plain", '{"a":1}', { ok: true, value: [{ a: 1 }] }],
    ["json/protobuf", '{"a":1}', { ok: true, value: [{ a: 1 }] }],
    ["binary/null", "", { ok: true, value: [null] }],
    ["json/plain", "{a:1}", { ok: false, error: "the input says to be JSON and is not" }],
    ["binary/encrypted", "0x", { ok: false, error: "the input is no JSON, it is encoded as `binary/encrypted`" }],
    ["json/plain", `"${"x".repeat(1_048_575)}"`, { ok: false, error: "the input has 1048577 bytes, and rules look into at most 1048576" }],
  ] as const)("encoded as %s", (encoding, data, expected) => {
    expect(inputOfPayloads({ payloads: [payload(encoding, data)] }).args()).toEqual(expected);
  });

  test("is decoded once, and only when asked for", () => {
    let reads = 0;
    const data = new Proxy(payload("json/plain", "[1]"), {
      get: (target, key) => {
        if (key === "data") reads++;
        return Reflect.get(target, key);
      },
    });
    const input = inputOfPayloads({ payloads: [data] });
    expect(reads).toBe(0);
    expect(input.args()).toBe(input.args());
    expect(reads).toBeLessThanOrEqual(2);
  });

  test("its size is that of its longest list and text", () => {
    expect(inputOfValues([{ items: [1, 2, 3], note: "hello" }]).size()).toEqual({ items: 3, letters: 5 });
    expect(noInput.size()).toEqual({ items: 0, letters: 0 });
    expect(inputOfValues(["x"], "binary/encrypted").size()).toEqual({ items: 0, letters: 0 });
  });

  test("two inputs share a digest only if they are equal", () => {
    const payloads = fc.array(fc.record({ encoding: fc.constantFrom("json/plain", "json", "p"), data: fc.string({ maxLength: 3 }) }), {
      maxLength: 3,
    });
    const digest = (items: readonly { readonly encoding: string; readonly data: string }[]): string =>
      inputOfPayloads({ payloads: items.map(({ encoding, data }) => payload(encoding, data)) }).digest();
    fc.assert(
      fc.property(payloads, payloads, (a, b) => {
        expect(digest(a) === digest(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

test.each([
  [{}, [], null, false],
  [{}, ["secrets"], null, true],
  [{ secrets_present: "true" }, [], null, true],
  [{ secrets_present: "1" }, [], null, true],
  [{ secrets_present: "Yes" }, [], null, true],
  [{ secrets_present: "no" }, ["secrets"], null, false],
  [{ secrets_present: "no" }, ["secrets"], true, true],
  [{}, ["secrets"], false, false],
] as const)("labels %j, risk tags %j, said %s: secrets present is %s", (entries, riskTags, said, expected) => {
  expect(secretsPresent(actionOf({ labels: labels(entries), riskTags, secretsPresent: said }))).toBe(expected);
});

test.each([
  [{}, null],
  [{ env: "prod" }, null],
  [
    { "mcp.server": "git", "mcp.tool": "push" },
    { server: "git", tool: "push", resource: "", action: "" },
  ],
  [
    { mcp_tool: "push", mcp_action: "Write" },
    { server: "", tool: "push", resource: "", action: "write" },
  ],
  [
    { mcpResource: "repo", "mcp.resource": "first" },
    { server: "", tool: "", resource: "first", action: "" },
  ],
] as const)("labels %j are the MCP call %j", (entries, expected) => {
  expect(mcpCallOf(actionOf({ labels: labels(entries) }))).toEqual(expected);
});

test.each([
  ["activity", "ChargeCard", "activity.ChargeCard"],
  ["workflow-start", "Order", "workflow.Order"],
  ["external-signal", "cancel", "signal.cancel"],
  ["tool-call", "push", "tool.push"],
] as const)("the topic of a %s `%s` is %s unless somebody names it", (kind, name, topic) => {
  expect(defaultTopic(actionOf({ kind, name }))).toBe(topic);
});
