import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import { type ApprovalView, approvalLines, type ShownApprovalView, whatOf } from "./approval-view.ts";
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
    /** Whether people are shown what it is about, and act on exactly that. */
    readonly showsAll?: boolean;
  },
  context: CliContext,
  finish: Finish,
): void {
  const { verb, summary, options: withOptions = (command: Command) => command, body = () => ({}), showsAll = false } = act;
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
        const path = `/approvals/${encodeURIComponent(id)}`;
        const shown =
          showsAll && options.json !== true
            ? ((await (await ask({ method: "GET", path }, options, context)).json()) as ShownApprovalView)
            : null;
        const seen = shown === null ? {} : { job_hash: shown.job_hash };
        const request = { method: "POST", path: `${path}/${verb}`, body: { reason, ...seen, ...given(body(options)) } } as const;
        const result = (await (await ask(request, options, context)).json()) as ApprovalView;
        if (options.json === true) context.print(JSON.stringify(result, null, 2));
        else context.print([...(shown === null ? [] : [`${approvalLines({ ...shown, ...result })}\n`]), outcome(result)].join("\n"));
      }),
    );
}

const given = (fields: object): object => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

function outcome(approval: ApprovalView): string {
  const { status, grants, grants_needed, workflow_id, close_reason, delegations, votes } = approval;
  const what = oneLine(`${whatOf(approval)} of ${workflow_id}`);
  const last = delegations.at(-1);
  if (status === "pending" && last !== undefined && !votes.some(({ at }) => at > last.at))
    return oneLine(`${what} is for ${last.to} to decide; it has ${grants} of ${grants_needed} grants`);
  if (status === "pending") return `${what} has ${grants} of ${grants_needed} grants`;
  return `${what} is ${status}${status === "void" ? `: ${close_reason}` : ""}`;
}
