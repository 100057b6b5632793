// `npm test [unit|compat|crash] [file…]`: setup, type check, lint and tests. The last line counts tests, with type check and lint as one each.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./inputs.mjs";
import { setup } from "./setup.mjs";

setup();
const projects = ["unit", "compat", "crash"];
const args = process.argv.slice(2);
const selected = args.filter((arg) => projects.includes(arg)).flatMap((name) => ["--project", name]);
const rest = args.filter((arg) => !projects.includes(arg));

const bin = (path) => join(root, "node_modules", path);
const run = (title, ...command) => {
  process.stdout.write(`test: ${title}\n`);
  return spawnSync(process.execPath, command, { cwd: root, stdio: "inherit" }).status === 0;
};

const count = { passed: 0, failed: 0, skipped: 0 };
const check = (passed) => (count[passed ? "passed" : "failed"] += 1);

// A run narrowed to some tests is for the person at work on these; the checks belong to the whole.
if (args.length === 0) {
  check(run("type check", bin("typescript/bin/tsc"), "-p", "tsconfig.json"));
  check(run("lint", bin("@biomejs/biome/bin/biome"), "check", "."));
}

const folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
const report = join(folder, "report.json");
const green = run(
  "tests",
  bin("vitest/vitest.mjs"),
  "run",
  ...selected,
  ...rest,
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`,
);
if (existsSync(report)) {
  const result = JSON.parse(readFileSync(report, "utf8"));
  count.passed += result.numPassedTests;
  count.failed += result.numFailedTests;
  count.skipped += result.numPendingTests + result.numTodoTests;
  // A file that cannot even be loaded has no tests to count.
  count.failed += result.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
}
rmSync(folder, { recursive: true, force: true });
if (!green && count.failed === 0) count.failed = 1;

process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
process.exit(count.failed === 0 ? 0 : 1);
