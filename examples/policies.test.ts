import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runCli } from "../src/cli/cli.ts";
import { loadPolicies } from "../src/cli/policy-files.ts";
import { runTests } from "../src/governance/policy/run-tests.ts";
import { readPolicyFiles } from "../src/service/policy/policy-files.ts";

// The policies of one example are in force together. Other files of YAML are definitions of workflows.
const policyFiles = ["policy.yaml", "catalogue.yaml"];
const examples = readdirSync(fileURLToPath(new URL(".", import.meta.url)), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ parentPath, name }) => join(parentPath, name))
  .map((folder) => ({ name: basename(folder), files: policiesIn(folder) }))
  .filter(({ files }) => files.length > 0);

function policiesIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => policyFiles.includes(name))
    .map((name) => join(folder, name));
}

test("examples with policies", () =>
  expect(examples.map(({ name }) => name).sort()).toEqual([
    "agent-patterns",
    "deploy",
    "incident-remediation",
    "incident-workflow",
    "order-fulfillment",
  ]));

describe.each(examples)("$name", ({ files }) => {
  test("passes `holdfast policy check` without a warning", async () => {
    const complaints: string[] = [];
    const exitCode = await runCli(["policy", "check", ...files], {
      environment: {},
      print: () => {},
      printBytes: () => {},
      complain: (text) => complaints.push(text),
      serve: () => Promise.reject(new Error("no policy command starts a server")),
    });
    expect([exitCode, complaints]).toEqual([0, []]);
  });

  test("has nothing that the server does not enforce", () => expect(readPolicyFiles(files)).toMatchObject({ ok: true }));

  test("every test case holds", async () => {
    const { snapshot } = await loadPolicies(files);
    const results = snapshot === null ? [] : runTests(snapshot);
    expect(results.length).toBeGreaterThan(0);
    expect(results.filter(({ failures }) => failures.length > 0)).toEqual([]);
  });
});
