import type { Command } from "commander";
import type { CliContext, Finish } from "./context.ts";
import { addPolicyBacktestCommand } from "./policy-backtest.ts";
import { addPolicyCheckCommand } from "./policy-check.ts";
import { addPolicyDiffCommand } from "./policy-diff.ts";
import { addPolicyExplainCommand } from "./policy-explain.ts";
import { addPolicyLimitsCommand } from "./policy-limits.ts";
import { addPolicySignCommand } from "./policy-sign.ts";
import { addPolicySimulateCommand } from "./policy-simulate.ts";
import { addPolicyTestCommand } from "./policy-test.ts";
import { addPolicyVerifyCommand } from "./policy-verify.ts";

/** All but `backtest` and `limits` need no server: they read files and decide here. */
export function addPolicyCommand(program: Command, context: CliContext, finish: Finish): void {
  const policy = program
    .command("policy")
    .summary("check, test, sign and explain policy files, without a server; ask a server what it decided, and what limits it holds")
    .addHelpText(
      "after",
      `
Several files are one policy: they are merged as bundles, by their \`order\` and then by path.
An action is a YAML or JSON file; \`-\` reads it from stdin.

Examples:
  holdfast policy check policies/*.yaml
  holdfast policy test policies/*.yaml
  echo '{activity_type: ChargeCard, input: {amount: 1200}}' | holdfast policy explain --policy orders.yaml --action -
  holdfast policy simulate --policy orders.yaml --candidate orders.next.yaml --action charge.yaml
  holdfast policy diff orders.yaml orders.next.yaml
  holdfast policy sign --key private.pem orders.yaml
  holdfast policy backtest --since 7d orders.next.yaml
  holdfast policy limits`,
    );
  addPolicyCheckCommand(policy, context, finish);
  addPolicyTestCommand(policy, context, finish);
  addPolicyExplainCommand(policy, context, finish);
  addPolicySimulateCommand(policy, context, finish);
  addPolicyDiffCommand(policy, context, finish);
  addPolicyBacktestCommand(policy, context, finish);
  addPolicySignCommand(policy, context, finish);
  addPolicyVerifyCommand(policy, context, finish);
  addPolicyLimitsCommand(policy, context, finish);
}
