import type { Command } from "commander";
import type { CliContext, Finish } from "./context.ts";
import { addRunDeleteCommand } from "./run-delete.ts";
import { addRunListCommand } from "./run-list.ts";
import { addRunQueryCommand } from "./run-query.ts";
import { addRunRerunCommand } from "./run-rerun.ts";
import { addRunShowCommand } from "./run-show.ts";
import { addRunSignalCommand } from "./run-signal.ts";
import { addRunStartCommand } from "./run-start.ts";
import { addRunStopCommands } from "./run-stop.ts";
import { addRunTimelineCommand } from "./run-timeline.ts";
import { addRunWatchCommand } from "./run-watch.ts";

export function addRunCommand(program: Command, context: CliContext, finish: Finish): void {
  const run = program
    .command("run")
    .summary("runs of declarative workflows")
    .addHelpText(
      "after",
      `
Examples:
  holdfast run start incident-remediation --input '{"incident_id": "INC-7781"}' --key run-incident-001
  holdfast run start incident-remediation --dry-run
  holdfast run list --status waiting
  holdfast run watch 5b0c…
  holdfast run rerun 5b0c… --from-step apply_patch
  holdfast run cancel 5b0c… --reason "not needed any more"

\`run watch\` exits with 0 when the run has succeeded, with 1 when it has ended in another way.`,
    );
  addRunStartCommand(run, context, finish);
  addRunListCommand(run, context, finish);
  addRunShowCommand(run, context, finish);
  addRunTimelineCommand(run, context, finish);
  addRunWatchCommand(run, context, finish);
  addRunQueryCommand(run, context, finish);
  addRunSignalCommand(run, context, finish);
  addRunRerunCommand(run, context, finish);
  addRunStopCommands(run, context, finish);
  addRunDeleteCommand(run, context, finish);
}
