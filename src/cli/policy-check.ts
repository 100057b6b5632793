import type { Command } from "commander";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { loadPolicies, sentence } from "./policy-files.ts";
import { signatureProblems } from "./policy-verify.ts";
import { collect } from "./server-options.ts";
import { table } from "./table.ts";

type Options = { readonly json?: boolean; readonly publicKey?: readonly string[] };

export function addPolicyCheckCommand(policy: Command, context: CliContext, finish: Finish): void {
  policy
    .command("check")
    .summary("validate policy files")
    .description("Validates policy files and says what they hold. Exit code 1 when one of them cannot be used.")
    .argument("<file...>", "policy files, YAML or JSON")
    .option("--public-key <file>", "Ed25519 public key; each policy file must be signed by one of these, in FILE.sig; repeatable", collect)
    .option("--json", "print JSON")
    .action(async (files: readonly string[], { json, publicKey }: Options) => {
      const { snapshot, bundles, fileOf, problems: found } = await loadPolicies(files);
      const problems = [...found, ...(publicKey === undefined ? [] : await signatureProblems(files, publicKey))];
      const isUsable = snapshot !== null && problems.every(({ severity }) => severity === "warning");
      const summary = bundles.map(({ id, policy: { mode, rules, actions, limits, tests } }) => ({
        file: fileOf(id),
        mode,
        rules: rules.length,
        actions: actions.length,
        limits: limits.length,
        tests: tests.length,
      }));
      if (json === true)
        context.print(JSON.stringify({ ok: isUsable, snapshot: snapshot?.hash ?? null, files: summary, problems }, null, 2));
      else {
        for (const problem of problems) context.complain(sentence(problem));
        const rows = summary.map((one) => Object.values(one).map(String));
        context.print(table(["FILE", "MODE", "RULES", "ACTIONS", "LIMITS", "TESTS"], rows));
        if (isUsable) context.print(`snapshot ${snapshot.hash}`);
      }
      finish(isUsable ? exitCodes.ok : exitCodes.failure);
    });
}
