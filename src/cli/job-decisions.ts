import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { table } from "./table.ts";

type Decision = {
  readonly decision: string;
  readonly rule_id: string | null;
  readonly reason: string;
  readonly attempt: number;
  readonly policy_snapshot: string;
  /** Microseconds. */
  readonly checked_at: number;
};

export function addJobDecisionsCommand(job: Command, context: CliContext, finish: Finish): void {
  addApiOptions(job.command("decisions"))
    .summary("what the policy decided on a job, the newest first")
    .argument("<id>")
    .option("--limit <count>", "at most so many", limitFrom, 50)
    .option("--json", "print JSON")
    .action((id: string, options: ApiOptions & { readonly limit: number; readonly json?: true }) =>
      withServer(context, finish, async () => {
        const path = `/jobs/${encodeURIComponent(id)}/decisions?limit=${options.limit}`;
        const decisions = (await (await ask({ method: "GET", path }, options, context)).json()) as readonly Decision[];
        if (options.json === true) context.print(JSON.stringify(decisions, null, 2));
        else if (decisions.length === 0) context.print("nothing was decided on it");
        else context.print(table(["TIME", "ATTEMPT", "DECISION", "RULE", "REASON", "POLICY"], decisions.map(rowOf)));
      }),
    );
}

const rowOf = ({ decision, rule_id, reason, attempt, policy_snapshot, checked_at }: Decision): readonly string[] => [
  new Date(checked_at / 1000).toISOString(),
  String(attempt),
  decision,
  rule_id ?? "",
  reason,
  policy_snapshot.slice(0, 12),
];
