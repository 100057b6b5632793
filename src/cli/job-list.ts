import type { Command } from "commander";
import { type ApiOptions, addApiOptions, listed, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import type { JobRecordView } from "./job-view.ts";
import { limitFrom } from "./limit.ts";
import { table } from "./table.ts";

type Options = ApiOptions & {
  readonly state?: string;
  readonly topic?: string;
  readonly trace?: string;
  readonly limit: number;
  readonly json?: true;
};

export function addJobListCommand(job: Command, context: CliContext, finish: Finish): void {
  addApiOptions(job.command("list"))
    .summary("jobs, the newest first")
    .option("--state <states>", "those in these states, with commas between them")
    .option("--topic <topic>", "those of one topic")
    .option("--trace <id>", "those of one trace")
    .option("--limit <count>", "at most so many", limitFrom, 50)
    .option("--json", "print JSON, with all there is to know")
    .action((options: Options) =>
      withServer(context, finish, async () => {
        const { state, topic, trace: trace_id } = options;
        const jobs = await listed<JobRecordView>("/jobs", { state, topic, trace_id }, options.limit, options, context);
        if (options.json === true) context.print(JSON.stringify(jobs, null, 2));
        else if (jobs.length === 0) context.print("there are no such jobs");
        else context.print(table(["ID", "STATE", "TOPIC", "BY", "ATTEMPTS", "DECISION", "SUBMITTED"], jobs.map(rowOf)));
      }),
    );
}

const rowOf = (job: JobRecordView): readonly string[] => [
  job.id,
  job.state,
  job.topic,
  job.principal,
  String(job.attempts),
  [job.safety_decision, job.safety_rule_id].filter((part) => part !== null).join(" "),
  job.created_at,
];
