import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { oneLine } from "./table.ts";

type Options = ApiOptions & { readonly reason?: string };

const verbs = [
  { verb: "cancel", summary: "ask a run to cancel: it compensates what it has done if its definition says so", done: "asked to cancel" },
  { verb: "terminate", summary: "end a run at once: nothing is compensated", done: "terminated" },
] as const;

export function addRunStopCommands(run: Command, context: CliContext, finish: Finish): void {
  for (const { verb, summary, done } of verbs)
    addApiOptions(run.command(verb))
      .summary(summary)
      .argument("<id>")
      .option("--reason <text>", "why, for the record")
      .option("--as <id>", "who you are")
      .action((id: string, options: Options) =>
        withServer(context, finish, async () => {
          const path = `/workflow-runs/${encodeURIComponent(id)}/${verb}`;
          await ask({ method: "POST", path, body: { reason: options.reason } }, options, context);
          context.print(`${done} ${oneLine(id)}`);
        }),
      );
}
