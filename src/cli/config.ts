import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, queryOf, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { jsonFrom } from "./json-argument.ts";

type OfScope = ApiOptions & { readonly scope?: string; readonly id?: string };
type OfStep = ApiOptions & { readonly org?: string; readonly team?: string; readonly workflow?: string; readonly step?: string };
type Saved = { readonly scope: string; readonly scope_id: string; readonly revision: number };

export function addConfigCommand(program: Command, context: CliContext, finish: Finish): void {
  const config = program
    .command("config")
    .summary("configuration that declarative workflows look into")
    .addHelpText(
      "after",
      `
Examples:
  holdfast config set '{"region": "eu"}' --scope org --id acme --as ada
  holdfast config get --scope org --id acme
  holdfast config effective --org acme --workflow incident-remediation`,
    );

  const ofScope = (command: Command): Command =>
    addApiOptions(command)
      .option("--scope <scope>", "system (when nothing is said), org, team, workflow or step")
      .option("--id <id>", "of the org, team, workflow or step");
  const pathOf = ({ scope, id }: OfScope): string => `/config?${queryOf({ scope, scope_id: id })}`;

  ofScope(config.command("get"))
    .summary("print the configuration of one scope as JSON")
    .action((options: OfScope) =>
      withServer(context, finish, async () => {
        const answer = await ask({ method: "GET", path: pathOf(options) }, options, context);
        context.print(JSON.stringify(await answer.json(), null, 2));
      }),
    );

  ofScope(config.command("set"))
    .summary("put JSON in the place of the configuration of one scope; runs that have started keep theirs")
    .argument("<json>", "JSON or @file", jsonFrom)
    .option("--as <id>", "who you are, for the ledger")
    .action((data: unknown, options: OfScope) =>
      withServer(context, finish, async () => {
        const answer = await ask({ method: "PUT", path: pathOf(options), body: { data } }, options, context);
        const { scope, scope_id, revision } = (await answer.json()) as Saved;
        context.print(`saved ${scope} ${scope_id}, revision ${revision}`);
      }),
    );

  addApiOptions(config.command("effective"))
    .summary("print what is configured, all in all, for a step of a workflow of a team of an org")
    .option("--org <id>", "the org")
    .option("--team <id>", "the team")
    .option("--workflow <id>", "the workflow")
    .option("--step <id>", "the step")
    .action((options: OfStep) =>
      withServer(context, finish, async () => {
        const { org: org_id, team: team_id, workflow: workflow_id, step: step_id } = options;
        const path = `/config/effective?${queryOf({ org_id, team_id, workflow_id, step_id })}`;
        const answer = await ask({ method: "GET", path }, options, context);
        context.print(JSON.stringify(await answer.json(), null, 2));
      }),
    );
}
