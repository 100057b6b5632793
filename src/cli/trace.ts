import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, queryOf, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { table } from "./table.ts";

type Options = ApiOptions & { readonly limit: number; readonly json?: true };
type Item = {
  readonly at: string;
  readonly kind: string;
  readonly run_id: string;
  readonly id: string | null;
  readonly type: string | null;
  readonly status: string | null;
  readonly entry: { readonly kind: string } | null;
};
type Page = { readonly items: readonly Item[]; readonly next_cursor: string | null; readonly truncated: boolean };

const pageMax = 1_000;

export function addTraceCommand(program: Command, context: CliContext, finish: Finish): void {
  const trace = program.command("trace").summary("all that one request has brought about");
  addApiOptions(trace.command("show"))
    .summary("jobs, runs, activities, approvals and entries of the ledger, the oldest first")
    .argument("<id>")
    .option("--limit <count>", "at most so many", limitFrom, 10_000)
    .option("--json", "print JSON, with all there is to know")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        const items: Item[] = [];
        let isCut = false;
        for (let cursor: string | null = "0"; cursor !== null && items.length < options.limit; ) {
          const query: string = queryOf({ cursor, limit: String(Math.min(pageMax, options.limit - items.length)) });
          const page = (await (
            await ask({ method: "GET", path: `/traces/${encodeURIComponent(id)}?${query}` }, options, context)
          ).json()) as Page;
          items.push(...page.items);
          isCut = page.truncated;
          cursor = page.next_cursor;
        }
        if (options.json === true) context.print(JSON.stringify(items, null, 2));
        else context.print(table(["TIME", "KIND", "OF", "WHAT", "STATUS"], items.map(rowOf)));
        if (isCut) context.complain("the trace has more than is shown");
      }),
    );
}

const rowOf = ({ at, kind, run_id, id, type, status, entry }: Item): readonly string[] => [
  at,
  kind,
  run_id,
  entry === null ? [type, id].filter((part) => part !== null).join(" ") : entry.kind,
  status ?? "",
];
