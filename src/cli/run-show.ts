import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { type RunView, runLines } from "./run-view.ts";

type Options = ApiOptions & { readonly json?: true };

export function addRunShowCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("show"))
    .summary("a run with its steps")
    .argument("<id>")
    .option("--json", "print JSON, with inputs and outputs")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        const found = await runOf(id, options, context);
        context.print(options.json === true ? JSON.stringify(found, null, 2) : runLines(found));
      }),
    );
}

export const runOf = async (id: string, options: ApiOptions, context: CliContext): Promise<RunView> =>
  (await (await ask({ method: "GET", path: `/workflow-runs/${encodeURIComponent(id)}` }, options, context)).json()) as RunView;
