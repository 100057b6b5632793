import { oneLine, table } from "./table.ts";

export type ListedRun = {
  readonly id: string;
  readonly workflow_id: string;
  readonly status: string;
  readonly created_at: string;
  readonly completed_at: string | null;
  readonly triggered_by: string;
  readonly rerun_of: string | null;
  readonly rerun_step: string | null;
};

export type RunView = ListedRun & {
  readonly input: unknown;
  readonly output: unknown;
  readonly error: { readonly message: string } | null;
  readonly labels: { readonly [name: string]: string };
  readonly steps: { readonly [id: string]: StepView };
  readonly compensations: readonly {
    readonly step_id: string;
    readonly status: string;
    readonly error: { readonly message: string } | null;
  }[];
};
type StepView = {
  readonly status: string;
  readonly attempts: number;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly next_attempt_at: string | null;
  readonly error: { readonly message: string } | null;
};

export type TimelineEvent = {
  readonly time: string;
  readonly type: string;
  readonly step_id?: string;
  readonly job_id?: string;
  readonly status?: string;
  readonly message?: string;
};

export const isOver = (status: string): boolean => !["pending", "running", "waiting"].includes(status);

/** All there is to know of a run, without what is empty. */
export function runLines(run: RunView): string {
  const labels = Object.entries(run.labels).map(([name, value]) => `${name}=${value}`);
  const facts: readonly (readonly [string, string])[] = [
    ["Run", run.id],
    ["Workflow", run.workflow_id],
    ["Status", run.status],
    ["Because", run.error?.message ?? ""],
    ["Started", `${run.created_at} by ${run.triggered_by}`],
    ["Ended", run.completed_at ?? ""],
    ["Rerun of", run.rerun_of === null ? "" : `${run.rerun_of}${run.rerun_step === null ? "" : ` from ${run.rerun_step}`}`],
    ["Labels", labels.join(", ")],
    ["Input", JSON.stringify(run.input)],
    ["Output", run.output === null ? "" : JSON.stringify(run.output)],
  ];
  const lines = facts.filter(([, value]) => value !== "").map(([name, value]) => `${name.padEnd(10)}${oneLine(value)}`);
  const steps = table(["STEP", "STATUS", "ATTEMPTS", "STARTED", "ENDED", "MESSAGE"], Object.entries(run.steps).map(stepRow));
  const undone = run.compensations.map(({ step_id, status, error }) => [step_id, status, error?.message ?? ""]);
  return [...lines, "", steps, ...(undone.length === 0 ? [] : ["", table(["UNDONE", "STATUS", "MESSAGE"], undone)])].join("\n");
}

const stepRow = ([id, step]: readonly [string, StepView]): readonly string[] => [
  id,
  step.status,
  String(step.attempts),
  step.started_at ?? "",
  step.completed_at ?? (step.next_attempt_at === null ? "" : `next at ${step.next_attempt_at}`),
  step.error?.message ?? "",
];

export const timelineRow = ({ time, type, step_id = "", status = "", message = "" }: TimelineEvent): readonly string[] => [
  time,
  type,
  step_id,
  status,
  message,
];

/** A line of its own, as it comes. */
export const timelineLine = (event: TimelineEvent): string =>
  oneLine(
    timelineRow(event)
      .filter((part) => part !== "")
      .join(" "),
  );
