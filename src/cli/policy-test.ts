import type { Command } from "commander";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { loadPolicies, sentence, withTestsBeside } from "./policy-files.ts";
import { oneLine, table } from "./table.ts";

export function addPolicyTestCommand(policy: Command, context: CliContext, finish: Finish): void {
  policy
    .command("test")
    .summary("run the test cases of policy files")
    .description(
      "Runs the `tests` of the files, and of NAME.tests.yaml beside NAME.yaml, against all files together. Exit code 1 when one fails, or when there is none.",
    )
    .argument("<file...>", "policy files, YAML or JSON")
    .option("--json", "print JSON")
    .action(async (files: readonly string[], { json }: { readonly json?: boolean }) => {
      const { runTests } = await import("../governance/policy/run-tests.ts");
      const { snapshot, fileOf, problems } = await loadPolicies(withTestsBeside(files));
      if (snapshot === null) {
        if (json === true) context.print(JSON.stringify({ ok: false, problems }, null, 2));
        else for (const problem of problems) context.complain(sentence(problem));
        return finish(exitCodes.failure);
      }
      const results = runTests(snapshot).map(({ bundle, name, line, decision, failures }) => ({
        file: fileOf(bundle),
        line,
        name,
        ok: failures.length === 0,
        decision: decision.effect,
        rule: decision.ruleId,
        failures,
      }));
      const failed = results.filter(({ ok }) => !ok);
      const isGood = results.length > 0 && failed.length === 0;
      if (json === true) context.print(JSON.stringify({ ok: isGood, snapshot: snapshot.hash, tests: results }, null, 2));
      else {
        const rows = results.map(({ ok, name, decision, rule }) => [ok ? "ok" : "FAILED", decision, rule ?? "(default)", name]);
        if (rows.length > 0) context.print(table(["RESULT", "DECISION", "RULE", "TEST"], rows));
        for (const { file, line, name, failures } of failed) context.complain(oneLine(`${file}:${line}: ${name}: ${failures.join("; ")}`));
        context.print(results.length === 0 ? "no tests" : `${results.length - failed.length} passed, ${failed.length} failed`);
      }
      finish(isGood ? exitCodes.ok : exitCodes.failure);
    });
}
