import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { jsonFrom } from "./json-argument.ts";
import { type Planned, startedText } from "./run-start.ts";

type Options = ApiOptions & {
  readonly fromStep?: string;
  readonly input?: unknown;
  readonly key?: string;
  readonly dryRun?: true;
  readonly json?: true;
};

export function addRunRerunCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("rerun"))
    .summary("run again, all of it or from a step on")
    .argument("<id>")
    .option("--from-step <id>", "keep the results of what this step depends on")
    .option("--input <json>", "another input, JSON or @file", jsonFrom)
    .option("--key <text>", "start it once, however often this is said with the same key")
    .option("--as <id>", "who you are")
    .option("--dry-run", "say what it would do and what the policy says, and do nothing")
    .option("--json", "print JSON")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        const { fromStep: from_step, input, key, dryRun = false } = options;
        const request = {
          method: "POST",
          path: `/workflow-runs/${encodeURIComponent(id)}/rerun`,
          body: { from_step, input, dry_run: dryRun },
          ...(key === undefined ? {} : { idempotencyKey: key }),
        } as const;
        const started = (await (await ask(request, options, context)).json()) as Planned;
        context.print(options.json === true ? JSON.stringify(started, null, 2) : startedText(started));
      }),
    );
}
