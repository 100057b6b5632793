import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { oneLine } from "./table.ts";

export function addRunDeleteCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("delete"))
    .summary("remove a run with its history: one that is open is terminated first")
    .argument("<id>")
    .option("--as <id>", "who you are")
    .action((id: string, options: ApiOptions) =>
      withServer(context, finish, async () => {
        await ask({ method: "DELETE", path: `/workflow-runs/${encodeURIComponent(id)}` }, options, context);
        context.print(`deleted ${oneLine(id)}`);
      }),
    );
}
