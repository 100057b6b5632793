import type { Command } from "commander";
import { addApprovalDelegateCommand } from "./approval-delegate.ts";
import { addApprovalListCommand } from "./approval-list.ts";
import { addApprovalShowCommand } from "./approval-show.ts";
import { addApprovalVoteCommands } from "./approval-vote.ts";
import { addApprovalWithdrawCommand } from "./approval-withdraw.ts";
import type { CliContext, Finish } from "./context.ts";

/** The queue of what waits for people, on a running server. */
export function addApprovalCommand(program: Command, context: CliContext, finish: Finish): void {
  const approval = program
    .command("approval")
    .summary("see what waits for people, and decide on it")
    .addHelpText(
      "after",
      `
Until the server knows keys, it believes who you say you are.

Examples:
  holdfast approval list
  holdfast approval show 5b0c…
  holdfast approval approve 5b0c… --as ada --role finance --reason "checked with the customer"
  holdfast approval reject 5b0c… --as ada --role finance --reason "wrong account"
  holdfast approval delegate 5b0c… --as ada --role finance --to grace
  holdfast approval withdraw 5b0c… --as shop@host --reason "not needed any more"`,
    );
  addApprovalListCommand(approval, context, finish);
  addApprovalShowCommand(approval, context, finish);
  addApprovalVoteCommands(approval, context, finish);
  addApprovalDelegateCommand(approval, context, finish);
  addApprovalWithdrawCommand(approval, context, finish);
}
