import type { Command } from "commander";
import type { Mismatch } from "../governance/policy/explain.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { decisionLines, plainDecision, usableSnapshot } from "./policy-decision.ts";
import { loadAction } from "./policy-files.ts";
import { oneLine, table } from "./table.ts";

type Options = { readonly policy: readonly string[]; readonly action: string; readonly json?: boolean };

export function addPolicyExplainCommand(policy: Command, context: CliContext, finish: Finish): void {
  policy
    .command("explain")
    .summary("decide an action, and show every rule tried")
    .description("Decides an action, and shows every rule in the order in which they are tried, with what kept it from matching.")
    .requiredOption("--policy <file...>", "policy files")
    .requiredOption("--action <file>", "the action, YAML or JSON; - for stdin")
    .option("--json", "print JSON")
    .action(async ({ policy: files, action: file, json }: Options) => {
      const { explain } = await import("../governance/policy/explain.ts");
      const { jobHash } = await import("../governance/action.ts");
      const snapshot = await usableSnapshot(files, context, finish);
      if (snapshot === null) return;
      const { decision, rules } = explain(snapshot, await loadAction(file));
      if (json === true) context.print(JSON.stringify({ ...plainDecision(decision), job_hash: jobHash(decision.action), rules }, null, 2));
      else {
        const rows = rules.map(({ id, bundle, line, effect, result, mismatches }) => [
          result,
          effect,
          id,
          line === 0 ? bundle : `${bundle}:${line}`,
          mismatches.map(said).join("; "),
        ]);
        if (rows.length > 0) context.print(`${table(["RESULT", "DECISION", "RULE", "WHERE", "WHY"], rows)}\n`);
        context.print(oneLine(`topic ${decision.action.topic}`));
        for (const line of decisionLines(decision)) context.print(line);
      }
      finish(exitCodes.ok);
    });
}

const said = ({ field, wanted, found, unclear }: Mismatch): string =>
  unclear ? `${field} cannot be told: ${found}` : `${field}: wanted ${wanted}, found ${found}`;
