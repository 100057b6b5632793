import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, queryOf, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { oneLine, table } from "./table.ts";
import { textIn } from "./text-file.ts";

type WorkflowView = {
  readonly id: string;
  readonly sha256: string;
  readonly source: string;
  readonly updated_by: string;
  readonly updated_at: string;
  readonly definition: { readonly name?: unknown; readonly version?: unknown; readonly steps?: object };
};
type SavedView = {
  readonly id: string;
  readonly sha256: string;
  readonly warnings: readonly { readonly detail: string; readonly line: number; readonly column: number }[];
};
type Options = ApiOptions & { readonly json?: true };

export function addWorkflowCommand(program: Command, context: CliContext, finish: Finish): void {
  const workflow = program
    .command("workflow")
    .summary("declarative workflows: graphs of steps, in YAML or JSON")
    .addHelpText(
      "after",
      `
Examples:
  holdfast workflow create incident.yaml
  cat incident.json | holdfast workflow create -
  holdfast workflow list
  holdfast workflow get incident-remediation > incident.yaml
  holdfast workflow delete incident-remediation`,
    );

  addApiOptions(workflow.command("create"))
    .summary("create a workflow, or change it: runs that have started keep the definition that they started with")
    .argument("<file>", "YAML or JSON; - for stdin")
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action((file: string, options: Options) =>
      withServer(context, finish, async () => {
        const response = await ask({ method: "POST", path: "/workflows", body: textIn(file) }, options, context);
        const saved = (await response.json()) as SavedView;
        for (const { line, column, detail } of saved.warnings) context.complain(`${file}:${line}:${column}: warning: ${oneLine(detail)}`);
        context.print(options.json === true ? JSON.stringify(saved, null, 2) : `saved ${saved.id}`);
      }),
    );

  addApiOptions(workflow.command("list"))
    .summary("workflows, the one that was changed last first")
    .option("--limit <count>", "at most so many", limitFrom, 100)
    .option("--json", "print JSON, with the definitions")
    .action((options: Options & { readonly limit: number }) =>
      withServer(context, finish, async () => {
        const path = `/workflows?${queryOf({ limit: String(Math.min(options.limit, limitMax)) })}`;
        const found = (await (await ask({ method: "GET", path }, options, context)).json()) as readonly WorkflowView[];
        if (options.json === true) context.print(JSON.stringify(found, null, 2));
        else if (found.length === 0) context.print("there are no workflows");
        else context.print(table(["ID", "NAME", "VERSION", "STEPS", "CHANGED", "BY"], found.map(rowOf)));
      }),
    );

  addApiOptions(workflow.command("get"))
    .summary("the definition of a workflow, as it was sent")
    .argument("<id>")
    .option("--json", "print JSON, with all there is to know")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        const response = await ask({ method: "GET", path: `/workflows/${encodeURIComponent(id)}` }, options, context);
        const found = (await response.json()) as WorkflowView;
        context.print(options.json === true ? JSON.stringify(found, null, 2) : found.source.trimEnd());
      }),
    );

  addApiOptions(workflow.command("delete"))
    .summary("delete a workflow: its runs stay, and go on")
    .argument("<id>")
    .option("--as <id>", "who you are")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        await ask({ method: "DELETE", path: `/workflows/${encodeURIComponent(id)}` }, options, context);
        context.print(`deleted ${oneLine(id)}`);
      }),
    );
}

const limitMax = 1_000;

const rowOf = ({ id, definition: { name = "", version = "", steps = {} }, updated_at, updated_by }: WorkflowView): readonly string[] => [
  id,
  String(name),
  String(version),
  String(Object.keys(steps).length),
  updated_at,
  updated_by,
];
