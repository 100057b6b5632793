import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { jsonFrom } from "./json-argument.ts";
import { oneLine } from "./table.ts";

type Options = ApiOptions & { readonly payload?: unknown; readonly key?: string };

export function addRunSignalCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("signal"))
    .summary("send a signal, for the step that waits for it")
    .argument("<id>")
    .argument("<name>")
    .option("--payload <json>", "what it carries, JSON or @file", jsonFrom)
    .option("--key <text>", "send it once, however often this is said with the same key")
    .option("--as <id>", "who you are")
    .action((id: string, name: string, options: Options) =>
      withServer(context, finish, async () => {
        const { payload = null, key } = options;
        const path = `/workflow-runs/${encodeURIComponent(id)}/signal`;
        const request = { method: "POST", path, body: { name, payload }, ...(key === undefined ? {} : { idempotencyKey: key }) } as const;
        await ask(request, options, context);
        context.print(`sent ${oneLine(name)}`);
      }),
    );
}
