import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { secondMs } from "../base/time.ts";
import { type ApiOptions, addApiOptions, withServer } from "./api-client.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { runOf } from "./run-show.ts";
import { timelineOf } from "./run-timeline.ts";
import { isOver, timelineLine } from "./run-view.ts";

type Options = ApiOptions & { readonly json?: true };

/** How often the server is asked for news. */
const everyMs = secondMs;

export function addRunWatchCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("watch"))
    .summary("follow a run until it ends: what has happened, and what happens")
    .argument("<id>")
    .option("--json", "print a line of JSON for each event")
    .action(async (id: string, options: Options) => {
      let status = "";
      await withServer(context, finish, async () => {
        for (let seen = 0; ; ) {
          // Asked first: of a run that is over by then, the timeline has all.
          status = (await runOf(id, options, context)).status;
          for await (const page of timelineOf(id, seen, options, context)) {
            seen += page.length;
            for (const event of page) context.print(options.json === true ? JSON.stringify(event) : timelineLine(event));
          }
          if (isOver(status)) return;
          await delay(everyMs);
        }
      });
      if (status !== "" && status !== "succeeded") finish(exitCodes.failure);
    });
}
