import { err, ok, type Result } from "../../base/result.ts";
import { isList, isObject, type Json, type JsonObject } from "../json.ts";
import type { RunView, StepRunView } from "./run.ts";
import type { TimelineEvent } from "./timeline.ts";

/** A question to a run. What is asked for beside the name, if anything, is an object, or a list of which the first item counts. */
export type DagQuery = { readonly name: string; readonly args: Json };

/** What a query looks into. Only the timeline has to be fetched. */
export type Queried = {
  readonly view: RunView;
  readonly signals: readonly string[];
  timeline(page: { readonly skip: number; readonly limit: number }): Promise<readonly TimelineEvent[]>;
};

type Answer = (run: Queried, asked: Json) => Result<Json, string> | Promise<Result<Json, string>>;

/** Lines that one query gives. */
const linesMax = 1_000;
const linesDefault = 200;

const queries: { readonly [name: string]: { readonly description: string; readonly answer: Answer } } = {
  status: { description: "what the run does, in one word", answer: ({ view }) => ok(view.status) },
  run: { description: "the whole run, as the HTTP API shows it", answer: ({ view }) => ok(view as unknown as Json) },
  steps: { description: "all steps by their ids", answer: ({ view }) => ok(view.steps as unknown as Json) },
  step: {
    description: "one step; asked with its id",
    answer: ({ view }, asked) => {
      const id = fieldOrText(asked, "step_id");
      const step = Object.hasOwn(view.steps, id) ? view.steps[id] : undefined;
      return step === undefined ? err(`there is no step \`${id}\``) : ok(step as unknown as Json);
    },
  },
  input: { description: "the input of the run", answer: ({ view }) => ok(view.input) },
  context: { description: "what steps have written with `output_path` and `storage`", answer: ({ view }) => ok(view.context) },
  output: { description: "the output of the run, null until it has one", answer: ({ view }) => ok(view.output) },
  timeline: {
    description: "what has happened; asked with `cursor`, how many lines to pass over, and `limit`",
    answer: async (run, asked) => {
      const page = isObject(asked) ? asked : {};
      const skip = wholeNumber(page.cursor, 0, Number.MAX_SAFE_INTEGER, 0);
      const limit = wholeNumber(page.limit, 1, linesMax, linesDefault);
      if (skip === null || limit === null) return err(`\`cursor\` and \`limit\` are whole numbers, and \`limit\` at most ${linesMax}`);
      return ok((await run.timeline({ skip, limit })) as unknown as Json);
    },
  },
  // The two that tools of Temporal ask every workflow.
  __stack_trace: { description: "", answer: ({ view }) => ok(underWay(view)) },
  __temporal_workflow_metadata: { description: "", answer: ({ view, signals }) => ok(metadataOf(view, signals)) },
};

const named = Object.entries(queries).filter(([, { description }]) => description !== "");
export const queryNames: readonly string[] = named.map(([name]) => name);

/** Refused with a sentence: there is no such query, or what it asks for is not there. */
export async function answerQuery(run: Queried, { name, args }: DagQuery): Promise<Result<Json, string>> {
  const query = Object.hasOwn(queries, name) ? queries[name] : undefined;
  if (query === undefined) return err(`there is no query \`${name}\`: a run answers ${queryNames.join(", ")}`);
  return query.answer(run, isList(args) ? (args[0] ?? null) : args);
}

const fieldOrText = (asked: Json, field: string): string => {
  const value = isObject(asked) ? (asked[field] ?? null) : asked;
  return typeof value === "string" ? value : "";
};

function wholeNumber(value: Json | undefined, least: number, most: number, otherwise: number): number | null {
  if (value === undefined || value === null) return otherwise;
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most ? value : null;
}

/** Where the run stands, in the place of where code does. */
function underWay({ steps }: RunView): string {
  const line = ({ step_id, status, attempts, job_id }: StepRunView): string =>
    `${step_id}: ${status}${attempts > 0 ? `, attempt ${attempts}` : ""}${job_id === "" ? "" : ` (${job_id})`}`;
  const open = Object.values(steps).flatMap((step) => [step, ...Object.values(step.children ?? {})].filter(isUnderWay));
  return open.map(line).join("\n");
}

const isUnderWay = ({ status, started_at }: StepRunView): boolean =>
  status === "running" || status === "waiting" || (status === "pending" && started_at !== null);

/** Source: temporal/api/sdk/v1/workflow_metadata.proto, as JSON. */
const metadataOf = ({ workflow_id, status }: RunView, signals: readonly string[]): JsonObject => ({
  definition: {
    type: workflow_id,
    queryDefinitions: named.map(([name, { description }]) => ({ name, description })),
    signalDefinitions: signals.map((name) => ({ name, description: "a step waits for it, or will" })),
    updateDefinitions: [],
  },
  currentDetails: status,
});
