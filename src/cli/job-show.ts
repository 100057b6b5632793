import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { type JobView, jobLines } from "./job-view.ts";

export function addJobShowCommand(job: Command, context: CliContext, finish: Finish): void {
  addApiOptions(job.command("show"))
    .summary("all there is to know of a job")
    .argument("<id>")
    .option("--json", "print JSON")
    .action((id: string, options: ApiOptions & { readonly json?: true }) =>
      withServer(context, finish, async () => {
        const response = await ask({ method: "GET", path: `/jobs/${encodeURIComponent(id)}` }, options, context);
        const shown = (await response.json()) as JobView;
        context.print(options.json === true ? JSON.stringify(shown, null, 2) : jobLines(shown));
      }),
    );
}
