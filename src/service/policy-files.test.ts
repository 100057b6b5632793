import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readPolicyFiles } from "./policy-files.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-policies-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

test("several files are merged into one snapshot, whichever folder they lie in", () => {
  const rules = write("rules.yaml", "rules: [{ id: r1, match: { topic: a }, decision: deny }]");
  const more = write("more.yaml", "rules: [{ id: r2, match: { topic: b }, decision: allow }]");
  const read = readPolicyFiles([rules, more]);
  expect(read.ok && read.value.rules.map(({ bundle, id }) => `${bundle}/${id}`)).toEqual(["more/r2", "rules/r1"]);
});

test("two files of one name are refused: a bundle is known by its name", () => {
  mkdirSync(join(folder, "other"));
  const read = readPolicyFiles([write("same.yaml", "rules: []"), write("other/same.yaml", "rules: []")]);
  expect(read).toEqual({ ok: false, error: ["two policy files are called `same`"] });
});

test("problems name file, line and column, and a file that is not there is one", () => {
  const broken = write("broken.yaml", "rules:\n  - id: x\n    decision: maybe\n");
  const missing = join(folder, "missing.yaml");
  const read = readPolicyFiles([broken, missing]);
  expect(!read.ok && read.error).toEqual([expect.stringContaining(`${broken}:3:15: `), expect.stringContaining(`${missing}: ENOENT`)]);
});

test.each([
  // what a policy asks for                                                                what the refusal names
  ["limits: [{ topics: [a], rate: { max: 1, per: 1s } }]", "`limits`"],
  ["deny_local_activities: [default]", "`deny_local_activities`"],
  ["tenants: { shop: { max_concurrent_jobs: 3 } }", "`tenants.max_concurrent_jobs`"],
  ["rules: [{ id: r, match: { kinds: [child-workflow] }, decision: deny }]", "a rule for the kind `child-workflow`"],
  ["rules: [{ id: r, decision: allow, constraints: { rates: [{ max: 1, per: 1s }] } }]", "`constraints.rates`"],
  ["rules: [{ id: r, decision: allow, constraints: { spend: [{ unit: money, max: 5 }] } }]", "`constraints.spend`"],
  [
    "rules: [{ id: r, decision: allow, constraints: { budgets: { max_concurrent_jobs: 2 } } }]",
    "`constraints.budgets.max_concurrent_jobs`",
  ],
])("what the server cannot enforce is refused: %s", (text, named) => {
  const file = write("more-than-we-can.yaml", text);
  expect(readPolicyFiles([file])).toEqual({ ok: false, error: [`${file}: ${named} is not enforced by this server yet`] });
});
