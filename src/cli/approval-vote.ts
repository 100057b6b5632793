import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { ApprovalView } from "./approval-view.ts";
import type { CliContext, Finish } from "./context.ts";
import { collect } from "./server-options.ts";
import { oneLine } from "./table.ts";

type Options = ApiOptions & {
  readonly reason?: string;
  readonly jobHash?: string;
  readonly policySnapshot?: string;
  readonly json?: true;
};

export function addApprovalVoteCommands(approval: Command, context: CliContext, finish: Finish): void {
  addVoteCommand(approval, "approve", "grant it, or add a grant where several are needed", context, finish);
  addVoteCommand(approval, "reject", "refuse it: the activity fails", context, finish);
}

function addVoteCommand(approval: Command, verb: "approve" | "reject", summary: string, context: CliContext, finish: Finish): void {
  addApiOptions(approval.command(verb))
    .summary(summary)
    .argument("<id>")
    .requiredOption("--as <id>", "who you are")
    .option("--role <role>", "a role that you have; repeatable", collect)
    .option("--reason <text>", "why, for the record and for the workflow")
    .option("--job-hash <hash>", "vote on exactly this action: refused when the approval is about another")
    .option("--policy-snapshot <hash>", "refused when the approval was asked for under another policy")
    .option("--json", "print JSON")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        const { reason, jobHash: job_hash, policySnapshot: policy_snapshot } = options;
        const request = {
          method: "POST",
          path: `/approvals/${encodeURIComponent(id)}/${verb}`,
          body: { reason, job_hash, policy_snapshot },
        } as const;
        const voted = (await (await ask(request, options, context)).json()) as ApprovalView;
        context.print(options.json === true ? JSON.stringify(voted, null, 2) : outcome(voted));
      }),
    );
}

const outcome = ({ status, grants, grants_needed, activity_type, workflow_id, close_reason }: ApprovalView): string => {
  const what = oneLine(`${activity_type} of ${workflow_id}`);
  if (status === "pending") return `${what} has ${grants} of ${grants_needed} grants`;
  return `${what} is ${status}${status === "void" ? `: ${close_reason}` : ""}`;
};
