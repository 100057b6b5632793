import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { jsonFrom } from "./json-argument.ts";

type Options = ApiOptions & { readonly args?: unknown };

export function addRunQueryCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("query"))
    .summary("ask a run, or the code of a workflow, and print its answer as JSON")
    .argument("<id>")
    .argument("<query>", "status, run, steps, step, input, context, output, timeline; or what the workflow answers")
    .option("--args <json>", "what is asked for beside the name, JSON or @file", jsonFrom)
    .action((id: string, query: string, options: Options) =>
      withServer(context, finish, async () => {
        const body = { query, ...(options.args === undefined ? {} : { args: options.args }) };
        const answer = await ask({ method: "POST", path: `/workflow-runs/${encodeURIComponent(id)}/query`, body }, options, context);
        const { result } = (await answer.json()) as { readonly result: unknown };
        context.print(JSON.stringify(result, null, 2));
      }),
    );
}
