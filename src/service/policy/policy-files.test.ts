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
  expect(read.ok && read.value.snapshot.rules.map(({ bundle, id }) => `${bundle}/${id}`)).toEqual(["more/r2", "rules/r1"]);
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

test("what the server cannot enforce is refused", () => {
  const file = write("more-than-we-can.yaml", "rules: [{ id: r, match: { kinds: [tool-call] }, decision: deny }]");
  expect(readPolicyFiles([file])).toEqual({
    ok: false,
    error: [`${file}:1:1: a rule for the kind \`tool-call\` is not enforced by this server yet`],
  });
});
