import { oneLine } from "./table.ts";

/** A job as the server's API lists it: what of it people read. */
export type JobRecordView = {
  readonly id: string;
  readonly state: string;
  readonly topic: string;
  readonly principal: string;
  readonly attempts: number;
  readonly safety_decision: string | null;
  readonly safety_reason: string | null;
  readonly safety_rule_id: string | null;
  readonly trace_id: string;
  readonly parent_job_id: string | null;
  readonly labels: { readonly [name: string]: string };
  readonly capability: string | null;
  readonly risk_tags: readonly string[];
  readonly created_at: string;
  readonly closed_at: string | null;
};
/** One of them, with what it was given and what came of it. */
export type JobView = JobRecordView & {
  readonly context: unknown;
  readonly result: unknown;
  readonly task_queue: string;
  readonly worker: string;
  readonly error_message: string | null;
  readonly error_code: string | null;
  readonly next_attempt_at: string | null;
  readonly approval_ref: string | null;
  readonly approval_status: string | null;
  readonly safety_remediations: readonly { readonly id: string; readonly title: string }[];
};

/** So many letters of one value; `--json` shows the rest. */
const shownLettersMax = 2_000;
const shown = (value: unknown): string => {
  const text = value === null ? "" : JSON.stringify(value);
  return text.length > shownLettersMax ? `${text.slice(0, shownLettersMax)}… (--json shows more)` : text;
};

/** All there is to say of a job, one fact per line; what is empty is left out. */
export function jobLines(job: JobView): string {
  const { error_code: code, error_message: message } = job;
  const facts: readonly (readonly [name: string, text: string])[] = [
    ["Job", job.id],
    ["State", job.state],
    ["Topic", `${job.topic} (task queue ${job.task_queue})`],
    ["Submitted", `${job.created_at} by ${job.principal}`],
    ["Closed", job.closed_at ?? ""],
    ["Input", shown(job.context)],
    ["Result", shown(job.result)],
    ["Error", message === null ? "" : [code, message].filter((part) => part).join(": ")],
    ["Attempts", String(job.attempts)],
    ["Next try", job.next_attempt_at ?? ""],
    ["Worker", job.worker],
    [
      "Labels",
      Object.entries(job.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(", "),
    ],
    ["Capability", job.capability ?? ""],
    ["Risk", job.risk_tags.join(", ")],
    ["Decision", job.safety_decision === null ? "" : `${job.safety_decision}: ${job.safety_reason} (rule ${job.safety_rule_id ?? "none"})`],
    ["Approval", job.approval_ref === null ? "" : `${job.approval_ref} (${job.approval_status})`],
    ...job.safety_remediations.map(({ id, title }): readonly [string, string] => ["Remediation", `${id}: ${title}`]),
    ["Follows", job.parent_job_id ?? ""],
    ["Trace", job.trace_id],
  ];
  return facts
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `${name.padEnd(12)}${oneLine(text)}`)
    .join("\n");
}
