import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";

type ActOptions = ApiOptions & { readonly json?: true };

export function addJobCancelCommand(job: Command, context: CliContext, finish: Finish): void {
  addApiOptions(job.command("cancel"))
    .summary("end a job at once, whatever its worker does")
    .argument("<id>")
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action((id: string, options: ActOptions) =>
      withServer(context, finish, async () => {
        const path = `/jobs/${encodeURIComponent(id)}/cancel`;
        const done = (await (await ask({ method: "POST", path }, options, context)).json()) as {
          readonly state: string;
          readonly reason?: string;
        };
        const said = done.reason === undefined ? `${id} is ${done.state}` : `${id} had ended before: it is ${done.state}`;
        context.print(options.json === true ? JSON.stringify(done, null, 2) : said);
      }),
    );
}

export function addJobRemediateCommand(job: Command, context: CliContext, finish: Finish): void {
  addApiOptions(job.command("remediate"))
    .summary("submit what the rule that denied a job offers instead")
    .argument("<id>")
    .option("--remediation <id>", "which, if there are several")
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action((id: string, options: ActOptions & { readonly remediation?: string }) =>
      withServer(context, finish, async () => {
        const path = `/jobs/${encodeURIComponent(id)}/remediate`;
        const body = { remediation_id: options.remediation };
        const submitted = (await (await ask({ method: "POST", path, body }, options, context)).json()) as { readonly job_id: string };
        context.print(options.json === true ? JSON.stringify(submitted, null, 2) : submitted.job_id);
      }),
    );
}
