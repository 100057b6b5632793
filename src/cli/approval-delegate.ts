import type { Command } from "commander";
import { type ActOptions, addActCommand } from "./approval-act.ts";
import type { CliContext, Finish } from "./context.ts";

type Options = ActOptions & { readonly to: string };

export function addApprovalDelegateCommand(approval: Command, context: CliContext, finish: Finish): void {
  addActCommand<Options>(
    approval,
    {
      verb: "delegate",
      summary: "hand your right to decide over to somebody else",
      options: (command) => command.requiredOption("--to <id>", "who decides instead of you"),
      body: ({ to }) => ({ to }),
    },
    context,
    finish,
  );
}
