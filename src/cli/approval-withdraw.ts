import type { Command } from "commander";
import { addActCommand } from "./approval-act.ts";
import type { CliContext, Finish } from "./context.ts";

export function addApprovalWithdrawCommand(approval: Command, context: CliContext, finish: Finish): void {
  addActCommand(approval, { verb: "withdraw", summary: "take back what you asked for: the action is refused" }, context, finish);
}
