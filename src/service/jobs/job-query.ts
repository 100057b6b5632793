import { err, ok, type Result } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { fromPayloads } from "../../dag/payload.ts";
import type { Job } from "./job.ts";

/** What a job answers to whoever asks it as a workflow is asked. The words are those of runs; the REST API has all there is to know. */
const answers: { readonly [query: string]: (job: Job) => Json } = {
  status: ({ state }) => state,
  input: ({ history }) => fromPayloads(history.input),
  output: ({ history: { end } }) => (end?.how === "succeeded" ? fromPayloads(end.result) : null),
};

export function answerJobQuery(job: Job | null, query: string): Result<Json, string> {
  if (job === null) return err("there is no such job");
  const answer = Object.hasOwn(answers, query) ? answers[query] : undefined;
  return answer === undefined ? err(`a job answers ${Object.keys(answers).join(", ")}, not \`${query}\``) : ok(answer(job));
}
