import { appendFileSync } from "node:fs";
import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";

type Options = ApiOptions & { readonly output?: string };

export function addAuditCheckpointCommand(audit: Command, context: CliContext, finish: Finish): void {
  addApiOptions(audit.command("checkpoint"))
    .summary("sign where the ledger ends, and print that")
    .description(
      "Lets the server sign where every chain of its ledger ends, and prints the checkpoint as a line of JSON. Keep it elsewhere.",
    )
    .requiredOption("--as <principal>", "who asks")
    .option("--output <file>", "append the line to this file, instead of stdout")
    .action((options: Options) =>
      withServer(context, finish, async () => {
        const answer = await ask({ method: "POST", path: "/audit/checkpoint" }, options, context);
        const { checkpoint } = (await answer.json()) as { readonly checkpoint: object };
        // The order of the keys is that of the canonical text.
        const line = JSON.stringify(checkpoint);
        if (options.output === undefined) context.print(line);
        else appendFileSync(options.output, `${line}\n`);
      }),
    );
}
