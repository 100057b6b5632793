import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { ApprovalView } from "./approval-view.ts";
import type { CliContext, Finish } from "./context.ts";
import { collect } from "./server-options.ts";
import { oneLine } from "./table.ts";

export type ActOptions = ApiOptions & { readonly reason?: string; readonly json?: true };

/** Adds a command by which somebody acts on an approval in their own name: the request of the same name, and what came of it. */
export function addActCommand<O extends ActOptions>(
  approval: Command,
  act: {
    readonly verb: "approve" | "reject" | "delegate" | "withdraw";
    readonly summary: string;
    /** Adds options of its own. */
    options?(command: Command): Command;
    /** What the request says besides the reason. */
    body?(options: O): object;
  },
  context: CliContext,
  finish: Finish,
): void {
  const { verb, summary, options: withOptions = (command: Command) => command, body = () => ({}) } = act;
  const command = addApiOptions(approval.command(verb))
    .summary(summary)
    .argument("<id>")
    .requiredOption("--as <id>", "who you are")
    .option("--role <role>", "a role that you have; repeatable", collect)
    .option("--reason <text>", "why, for the record and for the workflow");
  withOptions(command)
    .option("--json", "print JSON")
    .action((id: string, options: O) =>
      withServer(context, finish, async () => {
        const { reason } = options;
        const request = {
          method: "POST",
          path: `/approvals/${encodeURIComponent(id)}/${verb}`,
          body: { reason, ...body(options) },
        } as const;
        const result = (await (await ask(request, options, context)).json()) as ApprovalView;
        context.print(options.json === true ? JSON.stringify(result, null, 2) : outcome(result));
      }),
    );
}

function outcome({ status, grants, grants_needed, activity_type, workflow_id, close_reason, delegations, votes }: ApprovalView): string {
  const what = oneLine(`${activity_type} of ${workflow_id}`);
  const last = delegations.at(-1);
  if (status === "pending" && last !== undefined && !votes.some(({ at }) => at > last.at))
    return oneLine(`${what} is for ${last.to} to decide; it has ${grants} of ${grants_needed} grants`);
  if (status === "pending") return `${what} has ${grants} of ${grants_needed} grants`;
  return `${what} is ${status}${status === "void" ? `: ${close_reason}` : ""}`;
}
