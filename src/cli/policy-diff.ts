import type { Command } from "commander";
import type { Bundle } from "../governance/policy/snapshot.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { loadPolicies, sentence } from "./policy-files.ts";
import { table } from "./table.ts";

export function addPolicyDiffCommand(policy: Command, context: CliContext, finish: Finish): void {
  policy
    .command("diff")
    .summary("show what differs between two policy files")
    .description("Shows which rules were added, removed, changed and moved, and what else differs; layout and comments do not count.")
    .argument("<before>", "policy file")
    .argument("<after>", "policy file")
    .option("--json", "print JSON")
    .action(async (before: string, after: string, { json }: { readonly json?: boolean }) => {
      const { snapshotOf } = await import("../governance/policy/snapshot.ts");
      const { diff } = await import("../governance/policy/diff.ts");
      const [old, now] = [await loadPolicies([before]), await loadPolicies([after])];
      if (old.snapshot === null || now.snapshot === null) {
        for (const problem of [...old.problems, ...now.problems]) if (problem.severity === "error") context.complain(sentence(problem));
        return finish(exitCodes.failure);
      }
      // Two versions of one bundle, whatever the files are called.
      const changes = diff(snapshotOf(old.bundles.map(asOne)), snapshotOf(now.bundles.map(asOne)));
      if (json === true) context.print(JSON.stringify({ changed: changes.length > 0, changes }, null, 2));
      else if (changes.length === 0) context.print("no difference");
      else {
        const rows = changes.map(({ kind, what, fields }) => [
          kind,
          what,
          fields.map(({ field, before: was, after: is }) => `${field}: ${was ?? "(none)"} → ${is ?? "(none)"}`).join("; "),
        ]);
        context.print(table(["CHANGE", "WHAT", "FIELDS"], rows));
      }
      finish(exitCodes.ok);
    });
}

const asOne = ({ policy }: Bundle): Bundle => ({ id: "policy", policy });
