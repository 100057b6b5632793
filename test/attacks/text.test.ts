import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encode, make } from "../../src/protocol/codec.ts";
import { ListWorkflowExecutionsRequest } from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { admin, grpcCall, startTarget, type Target, workflowService } from "./attack-server.ts";

// Texts that are made to be expensive: policies, workflows, filters. What a pattern may cost: src/language/pattern-cost.test.ts; how expressions
// are bounded: src/governance/policy/expression.test.ts and src/dag/spec/bounds.test.ts.

let target: Target;
let key: string;
beforeAll(async () => {
  target = await startTarget();
  key = (await target.key(admin)).text;
  // Loads what reads texts, so that its time is not that of the first attack.
  await ask("PUT", "/api/v1/policy/bundles/a", { content: "rules: []" });
  await ask("GET", "/api/v1/jobs");
});
afterAll(() => target.stop());

const ask = async (
  method: string,
  path: string,
  body?: unknown,
  type = "application/json",
): Promise<{ status: number; text: string; ms: number }> => {
  const began = performance.now();
  const response = await fetch(`${target.url}${path}`, {
    method,
    headers: { "x-api-key": key, ...(body === undefined ? {} : { "content-type": type }) },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text(), ms: performance.now() - began };
};

/** Generous on a busy machine, and far from what the attack is after. */
const msMax = 3_000;

const laughs = (indent: string): string =>
  [
    `${indent}a: &a [x, x, x, x, x, x, x, x, x, x]`,
    ..."bcdefghi".split("").map((name, at) => `${indent}${name}: &${name} [${Array(10).fill(`*${"abcdefgh"[at]}`).join(", ")}]`),
  ].join("\n");
const deepList = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
const deepMap = `${"{a: ".repeat(10_000)}1${"}".repeat(10_000)}`;
const cyclic = "a: &a [*a]";

const documents = [
  ["aliases of aliases", laughs("")],
  ["aliases of aliases, in a field", `rules:\n${laughs("  ")}`],
  ["an alias of itself", cyclic],
  ["lists in lists", deepList],
  ["mappings in mappings", deepMap],
  ["mappings by indentation", Array.from({ length: 2_000 }, (_, at) => `${" ".repeat(at)}a:`).join("\n")],
  ["many keys", Array.from({ length: 30_000 }, (_, at) => `a${at}: 1`).join("\n")],
  ["many aliases", `a: &a 1\nb:\n${"- *a\n".repeat(50_000)}`],
  ["many aliases of many names", Array.from({ length: 10_000 }, (_, at) => `a${at}: &b${at} 1\nc${at}: *b${at}`).join("\n")],
  ["many anchors", Array.from({ length: 10_000 }, (_, at) => `a${at}: &b${at} 1`).join("\n")],
  ["a merge key", "a: &a { b: 1 }\nc: { <<: *a }"],
  ["many documents", "---\n".repeat(20_000)],
  ["tags of code", 'a: !!js/function "function () { globalThis.polluted = true }"'],
  ["binary", `a: !!binary ${"A".repeat(100_000)}`],
  ["a long number", `a: ${"9".repeat(100_000)}`],
  ["the prototype as a key", "__proto__: { polluted: true }\nconstructor: { prototype: { polluted: true } }"],
  [
    "the prototype as a key of rules",
    "rules: [{ id: a, decision: allow, __proto__: { polluted: true }, match: { labels: { __proto__: a } } }]",
  ],
] as const;

describe.each([
  ["a policy", (text: string) => ask("PUT", "/api/v1/policy/bundles/evil", { content: text })],
  [
    "a policy to simulate",
    (text: string) => ask("POST", "/api/v1/policy/bundles/a/simulate", { content: text, request: { topic: "job.a" } }),
  ],
  ["a workflow", (text: string) => ask("POST", "/api/v1/workflows", text, "application/yaml")],
])("%s of", (_, send) => {
  test.each(documents)("%s is answered in time, and changes no prototype", async (_name, text) => {
    const { status, ms } = await send(text);
    expect(status).toBeLessThan(500);
    expect(ms).toBeLessThan(msMax);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect((globalThis as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe("a policy whose", () => {
  const rule = (match: string): string => `rules: [{ id: a, decision: deny, match: ${match} }]`;
  const a = "a".repeat(5_000);
  test.each([
    ["pattern tries without end", rule(`{ when: "action.topic.matches('(a+)+$')" }`)],
    ["pattern has a reference back", rule(`{ when: "action.topic.matches('(a)\\\\\\\\1')" }`)],
    ["globs have many stars", rule(`{ topics: ["${"*a".repeat(200)}b"] }`)],
    ["globs are many", rule(`{ topics: [${Array.from({ length: 2_000 }, (_, at) => `"job.*.${at}.*"`).join(", ")}] }`)],
    ["expression is deep", rule(`{ when: "${"(".repeat(2_000)}true${")".repeat(2_000)}" }`)],
    ["expression is long", rule(`{ when: "${"true && ".repeat(20_000)}true" }`)],
    [
      "expression multiplies lists",
      rule(
        `{ when: "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, a+b+c+d > 0))))" }`,
      ),
    ],
  ])("%s decides in time, or is refused", async (_, content) => {
    const { status, ms } = await ask("POST", "/api/v1/policy/bundles/a/simulate", {
      content,
      request: { topic: `job.${a}`, labels: { x: a } },
    });
    expect(status).toBeLessThan(500);
    expect(ms).toBeLessThan(msMax);
  });
});

describe("a visibility query with", () => {
  test.each([
    ["parentheses in parentheses", `${"(".repeat(5_000)}WorkflowId = 'a'${")".repeat(5_000)}`],
    ["many terms", Array.from({ length: 5_000 }, (_, at) => `WorkflowId = '${at}'`).join(" OR ")],
    ["a long list", `WorkflowId IN (${Array.from({ length: 10_000 }, (_, at) => `'${at}'`).join(", ")})`],
    ["a long text", `WorkflowId = '${"a".repeat(1_000_000)}'`],
    ["a text that does not end", `WorkflowId = '${"\\\\".repeat(20_000)}`],
    ["many spaces", `WorkflowId${" ".repeat(50_000)}x`],
    ["many beginnings", `WorkflowId STARTS_WITH '${"%_".repeat(10_000)}'`],
    ["NOT NOT NOT", `${"NOT ".repeat(5_000)}WorkflowId = 'a'`],
    ["another statement", "WorkflowId = 'a'; DROP TABLE ledger; --'"],
    ["a quote that ends", "WorkflowId = 'a' OR 1=1 --"],
    ["a function", "load_extension('a')"],
    ["the prototype", "__proto__ = 'a'"],
    ["its constructor", "constructor = 'a' ORDER BY toString"],
  ])("%s is answered in time", async (_, query) => {
    const began = performance.now();
    const { code } = await grpcCall(
      target.grpcPort,
      `${workflowService}/ListWorkflowExecutions`,
      encode(ListWorkflowExecutionsRequest, make(ListWorkflowExecutionsRequest, { namespace: "default", query })),
      { authorization: `Bearer ${key}` },
    );
    expect([0, 3]).toContain(code);
    expect(performance.now() - began).toBeLessThan(msMax);
  });
});

describe("labels and templates", () => {
  test.each([
    ["a topic", { topic: "__proto__" }],
    ["labels", { topic: "job.a", labels: { constructor: "a", toString: "b" } }],
    ["input", { topic: "job.a", payload: { constructor: { a: 1 } } }],
    ["a template", { topic: "job.a", payload: { a: `\${{ constructor.constructor('return process')() }}` } }],
    ["a deep value", { topic: "job.a", payload: JSON.parse(`${"[".repeat(190)}1${"]".repeat(190)}`) as unknown }],
  ])("%s with names of the prototype are data", async (_, body) => {
    const { status } = await ask("POST", "/api/v1/jobs", body);
    expect(status).toBeLessThan(500);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test.each([
    `\${{ constructor.constructor('return 1')() }}`,
    `\${{ inputs.__proto__.polluted }}`,
    `\${{ inputs['constructor'] }}`,
    `\${{ ${"(".repeat(3_000)}1${")".repeat(3_000)} }}`,
    `\${{ inputs.a.matches('(a+)+$') }}`,
  ])("a step with %.50s reaches nothing of the server", async (template) => {
    const workflow = `name: evil\nsteps:\n  a:\n    type: transform\n    output: { x: ${JSON.stringify(template)} }\n`;
    const saved = await ask("POST", "/api/v1/workflows", workflow, "application/yaml");
    expect(saved.status).toBeLessThan(500);
    expect(saved.ms).toBeLessThan(msMax);
  });
});
