import type { Command } from "commander";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { decisionLines, plainDecision, usableSnapshot } from "./policy-decision.ts";
import { loadAction } from "./policy-files.ts";

type Options = {
  readonly policy: readonly string[];
  readonly candidate: readonly string[];
  readonly action: string;
  readonly json?: boolean;
};

export function addPolicySimulateCommand(policy: Command, context: CliContext, finish: Finish): void {
  policy
    .command("simulate")
    .summary("decide an action under a candidate policy, beside the current one")
    .description("Decides an action under two policies, and says whether the action would notice the change.")
    .requiredOption("--policy <file...>", "files of the current policy")
    .requiredOption("--candidate <file...>", "files of the candidate")
    .requiredOption("--action <file>", "the action, YAML or JSON; - for stdin")
    .option("--json", "print JSON")
    .action(async ({ policy: files, candidate: candidateFiles, action: file, json }: Options) => {
      const { simulate } = await import("../governance/policy/simulate.ts");
      const before = await usableSnapshot(files, context, finish);
      const after = await usableSnapshot(candidateFiles, context, finish);
      if (before === null || after === null) return;
      const { current, candidate, changed } = simulate(before, after, await loadAction(file));
      if (json === true)
        context.print(JSON.stringify({ changed, current: plainDecision(current), candidate: plainDecision(candidate) }, null, 2));
      else {
        for (const line of decisionLines(current)) context.print(`current    ${line}`);
        for (const line of decisionLines(candidate)) context.print(`candidate  ${line}`);
        context.print(changed ? "the action would notice" : "no change for the action");
      }
      finish(exitCodes.ok);
    });
}
