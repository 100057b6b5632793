import { parseDuration } from "../../base/quantity.ts";
import {
  anyValue,
  dictionary,
  flag,
  into,
  list,
  mapping,
  name,
  numberAbove,
  placed,
  quantity,
  type ReadBy,
  report,
  scalarText,
  text,
  wholeNumber,
  word,
  wordsOf,
} from "../../language/reader.ts";
import { readExpression } from "../expression/expression.ts";
import { readTemplate } from "../expression/template.ts";
import type { Json } from "../json.ts";
import { compileSchema } from "../schema.ts";
import { readRetries, readRetry } from "./retry.ts";

const duration = quantity(parseDuration, "a duration such as `30s` or `1h30m`");
/** A schema in the text, compiled. */
export const readSchema = into(anyValue, (value, at) => {
  const schema = compileSchema(value as Json);
  return schema.ok ? schema.value : report(at, `the schema is refused: ${schema.error}`);
});
export const readLabels = dictionary(scalarText);
export const priorities = ["critical", "interactive", "batch"] as const;
export type Priority = (typeof priorities)[number];

/** Who acts, and what the action means: read by policies. */
const meaning = {
  labels: readLabels,
  capability: name,
  riskTags: list(text),
  requires: list(text),
  packId: name,
};

/** The keys that say how an action is carried out: of steps, and of `compensate`. */
export const actionFields = {
  ...meaning,
  topic: placed(name),
  workerId: name,
  taskQueue: placed(name),
  activityType: placed(name),
  input: placed(readTemplate),
  meta: mapping({ ...meaning, actorId: name, actorType: name, idempotencyKey: name }),
  routeLabels: readLabels,
  priority: word(wordsOf(priorities)),
  retry: readRetry,
  retries: placed(readRetries),
  timeout: placed(duration),
  timeoutSec: numberAbove(0),
  heartbeatTimeout: duration,
  scheduleToStartTimeout: duration,
  scheduleToCloseTimeout: duration,
};

/** What each `type` is carried out as. The last five are established names of jobs. */
const typeWords = new Map([
  ["job", "job"],
  ["worker", "job"],
  ["activity", "activity"],
  ["approval", "approval"],
  ["notify", "notify"],
  ["http", "http"],
  ["condition", "condition"],
  ["switch", "switch"],
  ["parallel", "parallel"],
  ["loop", "loop"],
  ["delay", "delay"],
  ["transform", "transform"],
  ["storage", "storage"],
  ["subworkflow", "subworkflow"],
  ["signal", "signal"],
  ["llm", "job"],
  ["container", "job"],
  ["script", "job"],
  ["input", "job"],
] as const);
export type StepType = typeof typeWords extends ReadonlyMap<string, infer T> ? T : never;
export const stepTypeWords: ReadonlyMap<string, StepType> = typeWords;

const readAction = mapping({ ...actionFields, type: word(typeWords) });
export type ActionFields = ReadBy<typeof readAction>;

export const readStep = mapping({
  ...actionFields,
  type: word(typeWords),
  id: name,
  name: text,
  description: text,
  dependsOn: list(placed(name)),
  condition: placed(readExpression),
  forEach: placed(readExpression),
  maxParallel: placed(wholeNumber(1, 1_000)),
  inputSchema: readSchema,
  inputSchemaId: placed(name),
  outputSchema: readSchema,
  outputSchemaId: placed(name),
  outputPath: placed(name),
  onError: placed(name),
  continueOnError: flag,
  compensate: placed(readAction),
  delay: duration,
  delaySec: numberAbove(0),
  delayUntil: placed(readTemplate),
  signal: name,
  inputMapping: readTemplate,
  outputMapping: readTemplate,
  /** What the author expects the policy to say; the policy decides. */
  policyGate: word(wordsOf(["allow", "deny", "require_approval"] as const)),
});
export type StepFields = ReadBy<typeof readStep>;

export const endings = ["failed", "denied", "timed_out", "cancelled"] as const;
export type Ending = (typeof endings)[number];

/** Runs of one workflow that a definition lets be open at once. */
const concurrentRunsMax = 100_000;

export const readWorkflow = mapping({
  id: name,
  orgId: name,
  teamId: name,
  name: text,
  description: text,
  version: scalarText,
  timeout: duration,
  timeoutSec: numberAbove(0),
  maxConcurrentRuns: wholeNumber(1, concurrentRunsMax),
  inputSchema: readSchema,
  parameters: anyValue,
  config: anyValue,
  labels: readLabels,
  output: readTemplate,
  compensateOn: list(word(wordsOf(endings))),
  steps: dictionary(placed(readStep)),
  createdBy: scalarText,
  createdAt: scalarText,
  updatedAt: scalarText,
});
export type WorkflowFields = ReadBy<typeof readWorkflow>;
