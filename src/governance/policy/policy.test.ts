import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseAction } from "./action-file.ts";
import { parsePolicy } from "./policy.ts";
import { printPolicy } from "./print.ts";
import { runTests } from "./run-tests.ts";
import { snapshotOf } from "./snapshot.ts";

const folder = fileURLToPath(new URL("testdata/", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
const read = (name: string) => parsePolicy(readFileSync(`${folder}${name}`, "utf8"));

describe("the policies in testdata, each with its tables", () => {
  test.each(files.filter((name) => !name.endsWith(".tests.yaml")))("%s says what its tests expect", (name) => {
    const beside = name.replace(".yaml", ".tests.yaml");
    const bundles = [name, ...(files.includes(beside) ? [beside] : [])].map((id) => {
      const { policy, problems } = read(id);
      expect(problems).toEqual([]);
      if (policy === null) throw new Error(`${id} cannot be read`);
      return { id: id.replace(/\.yaml$/, ""), policy };
    });
    const results = runTests(snapshotOf(bundles));
    expect(results.length).toBeGreaterThan(3);
    expect(results.filter(({ failures }) => failures.length > 0).map(({ line, failures }) => ({ line, failures }))).toEqual([]);
  });

  test.each(files)("%s, printed and read again, is the same policy", (name) => {
    const { policy } = read(name);
    if (policy === null) throw new Error(`${name} cannot be read`);
    const again = parsePolicy(printPolicy(policy));
    expect(again.problems).toEqual([]);
    expect(withoutLines(again.policy)).toEqual(withoutLines(policy));
  });
});

function withoutLines(value: unknown): unknown {
  if (value instanceof Map) return new Map([...value].map(([key, inner]) => [key, withoutLines(inner)]));
  if (Array.isArray(value)) return value.map(withoutLines);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "line");
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutLines(inner)]));
}

describe("the examples of docs/policy.md are right", () => {
  const docs = readFileSync(fileURLToPath(new URL("../../../docs/policy.md", import.meta.url)), "utf8");
  const examples = [...docs.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, example = ""]) => example);
  const decisionOf: { readonly [key: string]: string } = {
    approval: "require_approval",
    constraints: "allow",
    remediations: "deny",
    when: "deny",
  };

  test.each(examples.map((example) => [/^\w+/m.exec(example)?.[0] ?? "", example] as const))("%s: …", (key, example) => {
    if (key === "namespace") expect(parseAction(example).problems).toEqual([]);
    else {
      // An example that begins with a key of a rule is a part of one; each line that begins with `when` is one of its own.
      const parts = key === "when" ? example.trim().split("\n") : [example.trim()];
      const rule = (part: string): string => `rules:\n- id: example\n  decision: ${decisionOf[key]}\n${part.replace(/^/gm, "  ")}`;
      for (const part of parts) expect(parsePolicy(key in decisionOf ? rule(part) : part).problems).toEqual([]);
    }
  });
});

test("JSON is read like YAML", () => {
  const { policy, problems } = parsePolicy('{"version": "1", "rules": [{"id": "a", "match": {"topics": ["job.a"]}, "decision": "allow"}]}');
  expect(problems).toEqual([]);
  expect(policy?.rules[0]).toMatchObject({ id: "a", effect: "ALLOW", match: { topics: ["job.a"] } });
});

describe("what is wrong is said, with line and column", () => {
  test.each([
    ["rules:\n  - id: a\n    decison: deny", "3:5 rules[0].decison unknown key `decison`, did you mean `decision`?"],
    [
      "rules:\n  - id: a\n    match: {topcs: [x]}\n    decision: deny",
      "3:13 rules[0].match.topcs unknown key `topcs`, did you mean `topics`?",
    ],
    ["rulez: []", "1:1 rulez unknown key `rulez`, did you mean `rules`?"],
    ["rules: []\nfrobnicate: 1", "2:1 frobnicate unknown key `frobnicate`"],
    [
      "rules:\n- {id: a, decision: dny}",
      '2:21 rules[0].decision expected one of ALLOW, DENY, REQUIRE_APPROVAL, ALLOW_WITH_CONSTRAINTS, THROTTLE, not "dny", did you mean `deny`?',
    ],
    ["rules:\n- {id: a, decision: deny}\n- {id: a, decision: allow}", "3:3 rules[1] a rule called `a` stands in line 2 already"],
    ["rules: {a: 1}", "1:8 rules expected a list, not a mapping"],
    [
      "rules:\n- {id: a, decision: deny, match: {topics: ['job.[']}}",
      "2:44 rules[0].match.topics[0] `job.[` is no pattern: see the glob rules",
    ],
    [
      "rules:\n- {id: a, decision: deny, match: {topics: [x], topic: y}}",
      "2:48 rules[0].match.topic `topic` says again what another key has said",
    ],
    [
      "rules:\n- {id: a, decision: deny, match: {secrets_present: maybe}}",
      '2:52 rules[0].match.secrets_present expected true or false, not "maybe"',
    ],
    ["rules:\n- id: a\n  decision: deny\n  when: inpt.amount > 1", "4:9 rules[0].when `when`: unknown variable: inpt"],
    [
      "rules:\n- id: a\n  decision: deny\n  when: topic == 'x' && attempt == 'x'",
      "4:25 rules[0].when `when`: no such overload: int == string",
    ],
    ["rules:\n- id: a\n  decision: deny\n  when: 'topic == 3'", "4:10 rules[0].when `when`: no such overload: string == int"],
    [
      "rules:\n- {id: a, match: {kinds: [local-activity]}, decision: throttle}",
      "2:3 rules[0] a local activity has run when the server hears of it: a rule for the kind `local-activity` only allows or denies",
    ],
    ["rules:\n- {id: a, decision: deny, approval: {quorum: 2}}", "2:3 rules[0] `approval` needs `decision: require_approval`"],
    ["rules:\n- {id: a, decision: deny, delay: 5s}", "2:3 rules[0] `delay` needs `decision: throttle`"],
    ["rules:\n- {id: a, decision: deny, canary: 120}", "2:35 rules[0].canary expected a percentage up to 100"],
    ["rules:\n- {id: a, decision: deny, canary: 5, mode: observe}", "2:3 rules[0] `canary` enforces, and `mode: observe` does not"],
    [
      "rules:\n- {id: a, decision: require_approval, approval: {quorum: 3, principals: [ann, bob]}}",
      "2:49 rules[0].approval a quorum of 3 cannot be reached by 2 principals",
    ],
    [
      "rules:\n- {id: a, decision: require_approval, approval: {on_expiry: allow, expires_after: 1h}}",
      "2:61 rules[0].approval.on_expiry an approval that nobody gave cannot be taken for one: to let actions pass and only note them, use `mode: observe`",
    ],
    [
      "rules:\n- {id: a, decision: require_approval, approval: {on_expiry: escalate, expires_after: 1h}}",
      "2:49 rules[0].approval `on_expiry: escalate` needs `expires_after` and `escalation`",
    ],
    [
      `rules:\n- {id: a, decision: require_approval, approval: {escalation: [${"{after: 1h, roles: [x]},".repeat(17)}]}}`,
      "2:49 rules[0].approval 17 escalations are more than 16",
    ],
    [
      "rules:\n- {id: a, decision: allow, constraints: {budgets: {max_runtime: soon}}}",
      '2:65 rules[0].constraints.budgets.max_runtime expected a duration such as `30s` or `1h30m`, not "soon"',
    ],
    [
      "rules:\n- {id: a, decision: allow, constraints: {rates: [{max: 5, per: 1m, by: moon}]}}",
      '2:72 rules[0].constraints.rates[0].by expected one of topic, principal, tenant, workflow, run, label:NAME, not "moon"',
    ],
    [
      'rules:\n- {id: a, decision: allow, constraints: {redact_patterns: ["["]}}',
      "2:60 rules[0].constraints.redact_patterns[0] `[` is no regular expression of JavaScript (with the flag `u`)",
    ],
    ["limits:\n- {topics: [x]}", "2:3 limits[0] a limit needs `rate` or `breaker`"],
    ["actions:\n- {match: {names: [x]}}", "2:3 actions[0] an entry must give `topic`, `labels`, `capability` or `risk_tags`"],
    ["tests:\n- {action: {topic: x}}", "2:3 tests[0] a test needs `expect`"],
    ["default_decision: throttle", '1:19 default_decision expected one of ALLOW, DENY, not "throttle"'],
    ["rules: [", "1:9  flow sequence in block collection must be sufficiently indented and end with a ]"],
    ["a: 1\na: 2", "2:1  map keys must be unique"],
    ["- x", "1:1  expected a mapping, not a list"],
    ["", "1:1  expected a mapping, not nothing"],
    ["tests:\n- {action: {input: &a [*a]}, expect: {decision: deny}}", "2:23  the document is nested more than 200 times"],
    ["rules:\n- {id: a, decision: allow, match: {labels: *production}}", "2:44 rules[0].match.labels nothing is called `production`"],
    ["rules:\n- {id: a, decision: allow, match: {topics: }}", "2:44 rules[0].match.topics expected a list, not nothing"],
    [
      "rules:\n- {id: a, decision: allow, match: {topics: []}}",
      "2:44 rules[0].match.topics the list is empty: leave the key out to match everything",
    ],
  ])("%s", (source, expected) => {
    const { policy, problems } = parsePolicy(source);
    const said = problems.map(({ line, column, path, message }) => `${line}:${column} ${path} ${message}`);
    expect(said).toContain(expected);
    expect(policy).toBeNull();
  });

  test("brackets in brackets in brackets", () => {
    expect(parsePolicy("[".repeat(20_000)).problems[0]?.message).toBe("the document is nested more than 200 times");
  });

  test("a warning leaves the policy usable", () => {
    const { policy, problems } = parsePolicy(`rules:
- match: {topics: [x]}
  constraints: {budgets: {max_retries: 0}}
- {id: b, decision: require_approval, approval: {on_expiry: deny, expires_after: 1h}}
tenants: {acme: {allowed_repo_hosts: [github.com]}}`);
    expect(problems.map(({ severity, line, message }) => `${severity} ${line} ${message}`)).toEqual([
      "warning 3 `max_retries: 0` means no limit in this format; `max_attempts: 1` forbids retries",
      "warning 2 a rule without `id` is known by its position only",
      "warning 2 a rule without `decision` allows",
      "warning 5 `allowed_repo_hosts` and `denied_repo_hosts` are accepted and never enforced; write rules over a label instead",
    ]);
    expect(policy?.rules.map(({ id, effect }) => [id, effect])).toEqual([
      ["rule-1", "ALLOW"],
      ["b", "REQUIRE_APPROVAL"],
    ]);
  });
});
