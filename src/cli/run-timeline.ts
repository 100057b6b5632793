import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, queryOf, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { type TimelineEvent, timelineRow } from "./run-view.ts";
import { table } from "./table.ts";

type Options = ApiOptions & { readonly limit: number; readonly json?: true };

export function addRunTimelineCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("timeline"))
    .summary("what has happened in a run, the oldest first")
    .argument("<id>")
    .option("--limit <count>", "at most so many lines", limitFrom, 10_000)
    .option("--json", "print JSON")
    .action((id: string, options: Options) =>
      withServer(context, finish, async () => {
        const events: TimelineEvent[] = [];
        for await (const page of timelineOf(id, 0, options, context)) {
          events.push(...page);
          if (events.length >= options.limit) break;
        }
        const shown = events.slice(0, options.limit);
        context.print(options.json === true ? JSON.stringify(shown, null, 2) : table(titles, shown.map(timelineRow)));
      }),
    );
}

const titles = ["TIME", "EVENT", "STEP", "STATUS", "MESSAGE"];
const pageMax = 1_000;

/** Pages from a line on, until there are no more. */
export async function* timelineOf(
  id: string,
  from: number,
  options: ApiOptions,
  context: CliContext,
): AsyncIterable<readonly TimelineEvent[]> {
  for (let cursor = from; ; ) {
    const path = `/workflow-runs/${encodeURIComponent(id)}/timeline?${queryOf({ limit: String(pageMax), cursor: String(cursor) })}`;
    const page = (await (await ask({ method: "GET", path }, options, context)).json()) as readonly TimelineEvent[];
    if (page.length > 0) yield page;
    cursor += page.length;
    if (page.length < pageMax) return;
  }
}
