import type { Command } from "commander";
import { type ApiOptions, addApiOptions, listed, withServer } from "./api-client.ts";
import { type ApprovalView, approversText, whatOf } from "./approval-view.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { table } from "./table.ts";

type Options = ApiOptions & {
  readonly all?: true;
  readonly status?: string;
  readonly workflowId?: string;
  readonly topic?: string;
  readonly limit: number;
  readonly json?: true;
};

export function addApprovalListCommand(approval: Command, context: CliContext, finish: Finish): void {
  addApiOptions(approval.command("list"))
    .summary("what waits for people, oldest first")
    .option("--all", "also those that have ended")
    .option("--status <status>", "those that are pending, granted, rejected, expired, withdrawn or void")
    .option("--workflow-id <id>", "those of one workflow id")
    .option("--topic <topic>", "those of one topic")
    .option("--limit <count>", "at most so many", limitFrom, 100)
    .option("--json", "print JSON, with all there is to know")
    .action((options: Options) =>
      withServer(context, finish, async () => {
        const { all, status, workflowId: workflow_id, topic } = options;
        const parameters = { include_resolved: all === true ? "true" : undefined, status, workflow_id, topic };
        const approvals = await listed<ApprovalView>("/approvals", parameters, options.limit, options, context);
        if (options.json === true) context.print(JSON.stringify(approvals, null, 2));
        else if (approvals.length === 0) context.print("nothing waits for approval");
        else context.print(table(columns, approvals.map(rowOf)));
      }),
    );
}

const columns = ["ID", "STATUS", "WHAT", "ASKED BY", "WORKFLOW", "RULE", "REASON", "APPROVERS", "EXPIRES"];
const rowOf = (approval: ApprovalView): readonly string[] => [
  approval.id,
  approval.status === "pending" ? `${approval.grants} of ${approval.grants_needed}` : approval.status,
  whatOf(approval),
  approval.requester?.id ?? "",
  approval.workflow_id,
  approval.rule_id,
  approval.reason,
  approversText(approval.approvers),
  approval.expires_at ?? "never",
];
