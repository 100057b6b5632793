import type { Command } from "commander";
import { type ApiOptions, addApiOptions, listed, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import type { ListedRun } from "./run-view.ts";
import { table } from "./table.ts";

type Options = ApiOptions & {
  readonly workflow?: string;
  readonly status?: string;
  readonly limit: number;
  readonly json?: true;
};

export function addRunListCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("list"))
    .summary("runs, the newest first")
    .option("--workflow <id>", "those of one workflow")
    .option("--status <status>", "those that are running, waiting, succeeded, failed, denied, timed_out or cancelled")
    .option("--limit <count>", "at most so many", limitFrom, 50)
    .option("--json", "print JSON")
    .action((options: Options) =>
      withServer(context, finish, async () => {
        const { workflow: workflow_id, status, limit } = options;
        const runs = await listed<ListedRun>("/workflow-runs", { workflow_id, status }, limit, options, context);
        if (options.json === true) context.print(JSON.stringify(runs, null, 2));
        else if (runs.length === 0) context.print("there are no such runs");
        else context.print(table(["ID", "WORKFLOW", "STATUS", "STARTED", "ENDED", "BY"], runs.map(rowOf)));
      }),
    );
}

const rowOf = ({ id, workflow_id, status, created_at, completed_at, triggered_by }: ListedRun): readonly string[] => [
  id,
  workflow_id,
  status,
  created_at,
  completed_at ?? "",
  triggered_by,
];
