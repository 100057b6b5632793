import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import { type CliContext, type Finish, UsageError } from "./context.ts";
import { jsonFrom } from "./json-argument.ts";
import { collect } from "./server-options.ts";
import { oneLine, table } from "./table.ts";

type Options = ApiOptions & {
  readonly input?: unknown;
  readonly label?: readonly string[];
  readonly key?: string;
  readonly dryRun?: true;
  readonly json?: true;
};

export type Planned = {
  readonly run_id: string | null;
  readonly steps?: readonly {
    readonly step_id: string;
    readonly type: string;
    readonly action: {
      readonly topic: string | null;
      readonly task_queue: string | null;
      readonly activity_type: string | null;
      readonly decision: { readonly decision: string; readonly ruleId: string; readonly reason: string } | null;
    } | null;
  }[];
};

export function addRunStartCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("start"))
    .summary("start a run of a workflow")
    .argument("<workflow>")
    .option("--input <json>", "the input, JSON or @file", jsonFrom)
    .option("--label <name=value>", "a label of the run; repeatable", collect)
    .option("--key <text>", "start it once, however often this is said with the same key")
    .option("--as <id>", "who you are")
    .option("--dry-run", "say what it would do and what the policy says, and do nothing")
    .option("--json", "print JSON")
    .action((workflow: string, options: Options) =>
      withServer(context, finish, async () => {
        const { input = {}, label = [], key, dryRun = false } = options;
        const request = {
          method: "POST",
          path: `/workflows/${encodeURIComponent(workflow)}/runs`,
          body: { input, labels: labelsFrom(label), dry_run: dryRun },
          ...(key === undefined ? {} : { idempotencyKey: key }),
        } as const;
        const started = (await (await ask(request, options, context)).json()) as Planned;
        context.print(options.json === true ? JSON.stringify(started, null, 2) : startedText(started));
      }),
    );
}

function labelsFrom(pairs: readonly string[]): { readonly [name: string]: string } {
  const wrong = pairs.find((pair) => pair.indexOf("=") < 1);
  if (wrong !== undefined) throw new UsageError([`--label: expected name=value, not \`${wrong}\``]);
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
}

/** The id alone, for whoever goes on with it; or the plan. */
export function startedText({ run_id, steps = [] }: Planned): string {
  if (run_id !== null) return run_id;
  const rows = steps.map(({ step_id, type, action }) => [
    step_id,
    type,
    action?.topic ?? action?.activity_type ?? "",
    action?.task_queue ?? "",
    action?.decision?.decision.replace("DECISION_TYPE_", "").toLowerCase().replaceAll("_", " ") ?? "",
    action?.decision?.ruleId ?? "",
    oneLine(action?.decision?.reason ?? ""),
  ]);
  return table(["STEP", "TYPE", "TOPIC", "TASK QUEUE", "DECISION", "RULE", "REASON"], rows);
}
