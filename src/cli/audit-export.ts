import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import type { Command } from "commander";
import { ApiError, ask, queryOf, withServer } from "./api-client.ts";
import { type AuditOptions, addAuditOptions, auditParameters } from "./audit-options.ts";
import type { CliContext, Finish } from "./context.ts";

type Options = AuditOptions & { readonly output?: string };

export function addAuditExportCommand(audit: Command, context: CliContext, finish: Finish): void {
  addAuditOptions(audit.command("export"))
    .summary("entries of the ledger as JSON Lines")
    .option("--output <file>", "write to a file that is not there yet, instead of stdout")
    .action((options: Options) =>
      withServer(context, finish, async () => {
        const query = queryOf(auditParameters(options));
        const { body } = await ask({ method: "GET", path: `/audit/export?${query}` }, options, context);
        if (body === null) return;
        // Node's own type of the same stream.
        const received = Readable.fromWeb(body as ReadableStream<Uint8Array>);
        try {
          if (options.output !== undefined) await pipeline(received, createWriteStream(options.output, { flags: "wx" }));
          else await printLines(received, context);
        } catch (error) {
          throw new ApiError(`the export is not whole: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      }),
    );
}

/** Prints what has come as far as the last line that is whole. */
async function printLines(received: Readable, context: CliContext): Promise<void> {
  let rest = "";
  for await (const text of received.setEncoding("utf8") as AsyncIterable<string>) {
    const end = text.lastIndexOf("\n");
    if (end === -1) rest += text;
    else {
      context.print(rest + text.slice(0, end));
      rest = text.slice(end + 1);
    }
  }
}
