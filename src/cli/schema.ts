import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, queryOf, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { jsonFrom } from "./json-argument.ts";
import { limitFrom } from "./limit.ts";
import { oneLine } from "./table.ts";

type SchemaView = { readonly id: string; readonly schema: unknown; readonly updated_by: string; readonly updated_at: string };
type Options = ApiOptions & { readonly json?: true };

/** JSON Schemas that steps of workflows name. */
export function addSchemaCommand(program: Command, context: CliContext, finish: Finish): void {
  const schema = program
    .command("schema")
    .summary("JSON Schemas that steps of workflows name")
    .addHelpText(
      "after",
      `
Examples:
  holdfast schema save acme/order @order.schema.json
  cat order.schema.json | holdfast schema save acme/order @-
  holdfast schema list
  holdfast schema show acme/order
  holdfast schema delete acme/order`,
    );
  const pathOf = (id: string): string => `/schemas/${encodeURIComponent(id)}`;

  addApiOptions(schema.command("list"))
    .summary("the ids of schemas, in their order")
    .option("--limit <count>", "at most so many", limitFrom, limitMax)
    .option("--json", "print JSON")
    .action((options: Options & { readonly limit: number }) =>
      withServer(context, finish, async () => {
        const path = `/schemas?${queryOf({ limit: String(Math.min(options.limit, limitMax)) })}`;
        const { schemas } = (await (await ask({ method: "GET", path }, options, context)).json()) as {
          readonly schemas: readonly string[];
        };
        if (options.json === true) context.print(JSON.stringify(schemas, null, 2));
        else context.print(schemas.length === 0 ? "there are no schemas" : schemas.map(oneLine).join("\n"));
      }),
    );

  addApiOptions(schema.command("show"))
    .summary("a schema, as JSON")
    .argument("<id>")
    .option("--json", "print who changed it when as well")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        const found = (await (await ask({ method: "GET", path: pathOf(id) }, options, context)).json()) as SchemaView;
        context.print(JSON.stringify(options.json === true ? found : found.schema, null, 2));
      }),
    );

  addApiOptions(schema.command("save"))
    .summary("create a schema, or change it: workflows keep the one that they were created with")
    .argument("<id>")
    .argument("<schema>", "JSON, or @file; @- for stdin", jsonFrom)
    .option("--as <id>", "who you are")
    .action((id: string, given: unknown, options: Options) =>
      withServer(context, finish, async () => {
        await ask({ method: "POST", path: "/schemas", body: { id, schema: given } }, options, context);
        context.print(`saved ${oneLine(id)}`);
      }),
    );

  addApiOptions(schema.command("delete"))
    .summary("delete a schema: workflows keep the one that they were created with")
    .argument("<id>")
    .option("--as <id>", "who you are")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        await ask({ method: "DELETE", path: pathOf(id) }, options, context);
        context.print(`deleted ${oneLine(id)}`);
      }),
    );
}

const limitMax = 1_000;
