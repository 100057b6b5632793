import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import { approvalLines, type ShownApprovalView } from "./approval-view.ts";
import type { CliContext, Finish } from "./context.ts";

type Options = ApiOptions & { readonly json?: true };

export function addApprovalShowCommand(approval: Command, context: CliContext, finish: Finish): void {
  addApiOptions(approval.command("show"))
    .summary("all there is to know about one")
    .argument("<id>")
    .option("--json", "print JSON")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        const response = await ask({ method: "GET", path: `/approvals/${encodeURIComponent(id)}` }, options, context);
        const found = (await response.json()) as ShownApprovalView;
        context.print(options.json === true ? JSON.stringify(found, null, 2) : approvalLines(found));
      }),
    );
}
