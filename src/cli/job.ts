import type { Command } from "commander";
import type { CliContext, Finish } from "./context.ts";
import { addJobCancelCommand, addJobRemediateCommand } from "./job-act.ts";
import { addJobDecisionsCommand } from "./job-decisions.ts";
import { addJobListCommand } from "./job-list.ts";
import { addJobShowCommand } from "./job-show.ts";
import { addJobSubmitCommand } from "./job-submit.ts";

/** Jobs of a running server. */
export function addJobCommand(program: Command, context: CliContext, finish: Finish): void {
  const job = program
    .command("job")
    .summary("submit jobs, and see what became of them")
    .addHelpText(
      "after",
      `
Examples:
  holdfast job submit --topic job.deploy --input '{"service":"shop"}' --label env=prod --risk-tag prod
  holdfast job list --state APPROVAL_REQUIRED,RUNNING
  holdfast job show 5b0c…
  holdfast job decisions 5b0c…
  holdfast job cancel 5b0c…
  holdfast job remediate 5b0c… --remediation staging`,
    );
  addJobSubmitCommand(job, context, finish);
  addJobListCommand(job, context, finish);
  addJobShowCommand(job, context, finish);
  addJobDecisionsCommand(job, context, finish);
  addJobCancelCommand(job, context, finish);
  addJobRemediateCommand(job, context, finish);
}
