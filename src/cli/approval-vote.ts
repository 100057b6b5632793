import type { Command } from "commander";
import { type ActOptions, addActCommand } from "./approval-act.ts";
import type { CliContext, Finish } from "./context.ts";

type Options = ActOptions & { readonly jobHash?: string; readonly policySnapshot?: string };

export function addApprovalVoteCommands(approval: Command, context: CliContext, finish: Finish): void {
  const vote = {
    showsAll: true,
    options: (command: Command) =>
      command
        .option("--job-hash <hash>", "vote on exactly this action: refused when the approval is about another")
        .option("--policy-snapshot <hash>", "refused when the approval was asked for under another policy"),
    body: ({ jobHash, policySnapshot }: Options) => ({ job_hash: jobHash, policy_snapshot: policySnapshot }),
  };
  const approve = { ...vote, verb: "approve", summary: "grant it, or add a grant where several are needed" } as const;
  const reject = { ...vote, verb: "reject", summary: "refuse it: the action fails" } as const;
  addActCommand<Options>(approval, approve, context, finish);
  addActCommand<Options>(approval, reject, context, finish);
}
