import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../base/quantity.ts";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { collect } from "./server-options.ts";

type Options = ApiOptions & {
  readonly topic?: string;
  readonly prompt?: string;
  readonly input?: unknown;
  readonly context?: unknown;
  readonly label?: readonly string[];
  readonly capability?: string;
  readonly riskTag?: readonly string[];
  readonly requires?: readonly string[];
  readonly priority?: string;
  readonly deadline?: number;
  readonly timeout?: number;
  readonly attempts?: number;
  readonly idempotencyKey?: string;
  readonly json?: true;
};

export function addJobSubmitCommand(job: Command, context: CliContext, finish: Finish): void {
  addApiOptions(job.command("submit"))
    .summary("submit a job for the workers of a topic")
    .option("--topic <topic>", "what kind of job it is, such as job.deploy")
    .option("--prompt <text>", "what is to be done, in words")
    .option("--input <json>", "what the worker gets", jsonFrom)
    .option("--context <json>", "what goes with the prompt", jsonFrom)
    .option("--label <name=value>", "a label; repeatable", collect)
    .option("--capability <name>", "what the worker needs to be able to do")
    .option("--risk-tag <tag>", "why it may need care; repeatable", collect)
    .option("--requires <name>", "what has to be there; repeatable", collect)
    .option("--priority <priority>", "critical, interactive or batch")
    .option("--deadline <duration>", "all attempts together, such as 10m", durationFrom)
    .option("--timeout <duration>", "one attempt, such as 1m", durationFrom)
    .option("--attempts <count>", "at most so many attempts", limitFrom)
    .option("--idempotency-key <key>", "asked twice with one key, it is one job")
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action((options: Options) =>
      withServer(context, finish, async () => {
        const { topic, prompt, input, capability, requires, priority, idempotencyKey } = options;
        const body = {
          topic,
          prompt,
          input,
          context: options.context,
          labels: Object.fromEntries((options.label ?? []).map(labelFrom)),
          capability,
          risk_tags: options.riskTag,
          requires,
          priority,
          deadline_ms: options.deadline,
          timeout_ms: options.timeout,
          ...(options.attempts === undefined ? {} : { retries: { max_attempts: options.attempts } }),
          idempotency_key: idempotencyKey,
        };
        const submitted = (await (await ask({ method: "POST", path: "/jobs", body }, options, context)).json()) as {
          readonly job_id: string;
        };
        context.print(options.json === true ? JSON.stringify(submitted, null, 2) : submitted.job_id);
      }),
    );
}

function jsonFrom(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError("expected JSON");
  }
}

function durationFrom(text: string): number {
  const duration = parseDuration(text);
  if (duration === undefined || duration <= 0) throw new InvalidArgumentError("expected a duration such as 30s or 10m");
  return duration;
}

/** A label without a value is empty. */
function labelFrom(text: string): readonly [string, string] {
  const [name = "", ...value] = text.split("=");
  return [name, value.join("=")];
}
