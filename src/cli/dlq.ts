import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, listed, queryOf, withServer } from "./api-client.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { table } from "./table.ts";

type DeadLetter = {
  readonly job_id: string;
  readonly topic: string;
  readonly status: string;
  readonly reason: string;
  readonly reason_code: string;
  readonly attempts: number;
  readonly created_at: string;
};

type Filter = ApiOptions & { readonly topic?: string; readonly status?: string; readonly json?: true };
type ActOptions = Filter & { readonly all?: true };

/** Jobs of a running server that failed for good. */
export function addDlqCommand(program: Command, context: CliContext, finish: Finish): void {
  const dlq = program
    .command("dlq")
    .summary("see to jobs that failed for good")
    .addHelpText(
      "after",
      `
Examples:
  holdfast dlq list
  holdfast dlq retry 5b0c…
  holdfast dlq retry --all --topic job.deploy
  holdfast dlq delete --all --status DENIED`,
    );

  addFilter(addApiOptions(dlq.command("list")))
    .summary("what failed for good and nobody has seen to, the newest first")
    .option("--limit <count>", "at most so many", limitFrom, 50)
    .option("--json", "print JSON")
    .action((options: Filter & { readonly limit: number }) =>
      withServer(context, finish, async () => {
        const { topic, status } = options;
        const letters = await listed<DeadLetter>("/dlq/page", { topic, status }, options.limit, options, context);
        if (options.json === true) context.print(JSON.stringify(letters, null, 2));
        else if (letters.length === 0) context.print("there are no dead letters");
        else context.print(table(["JOB", "STATUS", "TOPIC", "ATTEMPTS", "CODE", "REASON", "SINCE"], letters.map(rowOf)));
      }),
    );

  for (const act of acts)
    addFilter(addApiOptions(dlq.command(act.verb)))
      .summary(act.summary)
      .argument("[ids...]")
      .option("--all", "those that the filter finds, or all")
      .option("--as <id>", "who you are")
      .option("--json", "print JSON")
      .action(async (ids: readonly string[], options: ActOptions) => {
        if (ids.length > 0 !== (options.all !== true)) {
          context.complain("holdfast: name jobs, or say --all");
          return finish(exitCodes.usage);
        }
        await withServer(context, finish, async () => {
          const done = options.all === true ? await all(act, options) : await each(act, ids, options);
          const lines = done.map((one) => (typeof one === "string" ? one : `${one.dead_letter} is ${one.job_id} now`));
          if (options.json === true) context.print(JSON.stringify(done, null, 2));
          else context.print(lines.length === 0 ? "there are no such dead letters" : lines.join("\n"));
        });
      });

  async function each(act: Act, ids: readonly string[], options: ActOptions): Promise<readonly Done[]> {
    const done: Done[] = [];
    for (const id of ids) {
      const path = `/dlq/${encodeURIComponent(id)}${act.suffix}`;
      const response = await ask({ method: act.method, path }, options, context);
      done.push(response.status === 204 ? id : { dead_letter: id, job_id: ((await response.json()) as { job_id: string }).job_id });
    }
    return done;
  }

  /** In turns, as long as there may be more. */
  async function all({ verb }: Act, options: ActOptions): Promise<readonly Done[]> {
    const query = queryOf({ topic: options.topic, status: options.status });
    const done: Done[] = [];
    for (;;) {
      const response = await ask({ method: "POST", path: `/dlq/${verb}${query === "" ? "" : `?${query}`}` }, options, context);
      const { retried, deleted, left } = (await response.json()) as Bulk;
      const some = retried ?? deleted ?? [];
      done.push(...some);
      if (!left || some.length === 0) return done;
    }
  }
}

type Done = string | { readonly dead_letter: string; readonly job_id: string };
type Bulk = { readonly retried?: readonly Done[]; readonly deleted?: readonly string[]; readonly left: boolean };

const acts = [
  { verb: "retry", summary: "submit jobs again, as they were", method: "POST", suffix: "/retry" },
  { verb: "delete", summary: "take jobs from the list", method: "DELETE", suffix: "" },
] as const;
type Act = (typeof acts)[number];

const addFilter = (command: Command): Command =>
  command
    .option("--topic <topic>", "those of one topic")
    .option("--status <states>", "those that are FAILED, TIMEOUT or DENIED, with commas between them");

const rowOf = ({ job_id, status, topic, attempts, reason_code, reason, created_at }: DeadLetter): readonly string[] => [
  job_id,
  status.replace("JOB_STATUS_", ""),
  topic,
  String(attempts),
  reason_code,
  reason,
  created_at,
];
