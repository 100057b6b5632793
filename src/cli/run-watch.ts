import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { secondMs } from "../base/time.ts";
import { ApiError, type ApiOptions, addApiOptions, listed, withServer } from "./api-client.ts";
import { type ApprovalView, approversText, whatOf } from "./approval-view.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { runOf } from "./run-show.ts";
import { timelineOf } from "./run-timeline.ts";
import { isOver, timelineLine } from "./run-view.ts";
import { oneLine } from "./table.ts";

type Options = ApiOptions & { readonly json?: true };

/** How often the server is asked for news. */
const everyMs = secondMs;
/** The oldest so many. */
const toldMax = 100;

export function addRunWatchCommand(run: Command, context: CliContext, finish: Finish): void {
  addApiOptions(run.command("watch"))
    .summary("follow a run until it ends: what has happened, and what happens")
    .argument("<id>")
    .option("--json", "print a line of JSON for each event")
    .action(async (id: string, options: Options) => {
      let status = "";
      const told = new Set<string>();
      await withServer(context, finish, async () => {
        for (let seen = 0; ; ) {
          // Asked first: of a run that is over by then, the timeline has all.
          status = (await runOf(id, options, context)).status;
          for await (const page of timelineOf(id, seen, options, context)) {
            seen += page.length;
            for (const event of page) context.print(options.json === true ? JSON.stringify(event) : timelineLine(event));
          }
          if (isOver(status)) return;
          if (options.json !== true) await tellApprovals(id, told, options, context);
          await delay(everyMs);
        }
      });
      if (status !== "" && status !== "succeeded") finish(exitCodes.failure);
    });
}

/** What the run waits for people to decide, once each: with the command that shows it. */
async function tellApprovals(workflow_id: string, told: Set<string>, options: ApiOptions, context: CliContext): Promise<void> {
  try {
    for (const approval of await listed<ApprovalView>("/approvals", { workflow_id }, toldMax, options, context)) {
      if (told.has(approval.id)) continue;
      told.add(approval.id);
      const { requester, approvers, reason, rule_id } = approval;
      const asked = `${whatOf(approval)}, asked by ${requester?.id ?? "nobody"} (rule ${rule_id}: ${reason}), waits for ${approversText(approvers)}`;
      context.print(oneLine(`${approval.created_at} ${asked}: holdfast approval show ${approval.id}`));
    }
  } catch (error) {
    // Whoever may see runs, but no approvals, sees the run.
    if (!(error instanceof ApiError)) throw error;
  }
}
