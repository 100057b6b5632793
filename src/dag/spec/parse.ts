import { into, type Place, type Placed, type Problem, readDocument, report, warn } from "../../language/reader.ts";
import { isStepId } from "../action-id.ts";
import type { Template } from "../expression/template.ts";
import type { Json } from "../json.ts";
import { compileSchema, type Schema } from "../schema.ts";
import { type ActivityKind, linkJob, timeoutOf } from "../step-type/activity.ts";
import { approvalInput } from "../step-type/approval.ts";
import { linkHttp } from "../step-type/http.ts";
import { linkNotification, messageInput, noticeInput } from "../step-type/notify.ts";
import { links, type StepKind } from "../step-type/step-types.ts";
import { casesOf } from "../step-type/switch.ts";
import { type ActionFields, endings, readWorkflow, type StepFields, type WorkflowFields } from "./fields.ts";
import { type Claims, composites, linker, unknownStep } from "./linker.ts";
import { checkNames } from "./names.ts";
import { once, type Retry } from "./retry.ts";
import { type Compensation, type DagSpec, type DagStep, parallelDefault, stepsMax } from "./spec.ts";
import { handlersOf, inOrder, waitsOf } from "./waits.ts";

/** What a definition refers to outside of itself. */
export type ParseOptions = {
  /** The schema of an id; undefined when there is none. */
  readonly schemaOf?: (id: string) => Json | undefined;
};
export type Parsed = { readonly spec: DagSpec | null; readonly problems: readonly Problem[] };

/** UTF-16 code units. */
export const definitionLettersMax = 4 * 1024 * 1024;

/** Reads a definition from YAML or JSON. The spec is null when an error is among the problems. */
export function parseDagSpec(text: string, options: ParseOptions = {}): Parsed {
  if (text.length > definitionLettersMax) {
    const message = `a definition has at most ${definitionLettersMax} letters`;
    return { spec: null, problems: [{ severity: "error", line: 1, column: 1, path: "", message }] };
  }
  const { value, problems } = readDocument(
    text,
    into(readWorkflow, (fields, at) => specOf(fields, at, options)),
  );
  return { spec: value, problems };
}

type Draft = { readonly id: string; readonly fields: StepFields; readonly at: Place };

function specOf(workflow: WorkflowFields, at: Place, options: ParseOptions): DagSpec | undefined {
  const drafts = [...(workflow.steps ?? [])].map(([id, { value, at: place }]): Draft => ({ id, fields: value, at: place }));
  if (drafts.length === 0) return report(at, "a workflow needs `steps`");
  if (drafts.length > stepsMax) return report(at, `${drafts.length} steps, and at most ${stepsMax} are allowed`);
  for (const { id, fields, at: place } of drafts) {
    if (!isStepId(id)) report(place, `a step cannot be called \`${id}\`: use letters, digits, \`_\` and \`-\``);
    if (fields.id !== undefined && fields.id !== id) report(place, `the step is called \`${id}\` here, and \`${fields.id}\` by its \`id\``);
  }
  const steps = link(drafts, options);
  if (steps === undefined) return undefined;
  const waits = waitsOf(steps);
  const sorted = inOrder(waits);
  if ("cycle" in sorted) return reportCycle(sorted.cycle, drafts);
  checkNames({ steps, waits, order: sorted.order }, workflow.output ?? null, at);
  // Points are numbered by step, the end of each after its start.
  const order = sorted.order.filter((point) => point % 2 === 1).map((point) => (point - 1) / 2);
  return {
    id: workflow.id ?? null,
    orgId: workflow.orgId ?? null,
    teamId: workflow.teamId ?? null,
    name: workflow.name ?? null,
    description: workflow.description ?? null,
    version: workflow.version ?? null,
    createdBy: workflow.createdBy ?? null,
    timeoutMs: workflow.timeout ?? (workflow.timeoutSec === undefined ? null : Math.ceil(workflow.timeoutSec * 1000)),
    maxConcurrentRuns: workflow.maxConcurrentRuns ?? null,
    inputSchema: workflow.inputSchema ?? null,
    parameters: (workflow.parameters ?? []) as Json,
    config: (workflow.config ?? {}) as Json,
    labels: workflow.labels ?? new Map(),
    output: workflow.output ?? null,
    compensateOn: new Set(workflow.compensateOn ?? endings.filter((ending) => ending !== "denied")),
    steps: steps.map((step) => withBranchesInOrder(step, steps, order)),
    indexOf: new Map(drafts.map(({ id }, index) => [id, index])),
    order,
  };
}

/** With `max_parallel`, a branch that waits for another one, or whose handler does, must not take its place. */
function withBranchesInOrder(step: DagStep, steps: readonly DagStep[], order: readonly number[]): DagStep {
  const { kind } = step;
  if (kind.kind !== "parallel") return step;
  const positions = new Map(order.map((index, position) => [index, position]));
  const overAt = (branch: number): number => Math.max(...[branch, ...handlersOf(steps, branch)].map((one) => positions.get(one) ?? 0));
  const branches = kind.branches.toSorted((a, b) => overAt(a) - overAt(b));
  return { ...step, kind: { ...kind, branches } };
}

/** Steps with each other's indexes in place of names; undefined when a type cannot be made out, so that nothing more can be said. */
function link(drafts: readonly Draft[], options: ParseOptions): readonly DagStep[] | undefined {
  const indexOf = new Map(drafts.map(({ id }, index) => [id, index]));
  const claims: Claims = new Map();
  const kinds = drafts.map(({ id, fields, at }, index): StepKind | undefined =>
    links[fields.type ?? "job"](
      fields,
      at,
      linker(indexOf, (other) => drafts[other]?.fields, claims, index),
      id,
    ),
  );
  const find = ({ value, at }: Placed<string>): number | undefined => indexOf.get(value) ?? unknownStep(value, [...indexOf.keys()], at);
  const handlers = drafts.map(({ fields }, index) => handlerOf(fields, index, find, claims));
  const activates = drafts.map((): number[] => []);
  for (const [index, { as, by }] of claims) if (as !== "handler") activates[by]?.push(index);
  const users = drafts.map(() => 0);
  for (const handler of handlers) if (handler !== null) users[handler] = (users[handler] ?? 0) + 1;
  const dependencies = drafts.map(({ fields, at }, index) => {
    const claim = claims.get(index);
    const named = new Set((fields.dependsOn ?? []).map(find).filter((one) => one !== undefined));
    // Whoever starts a step is not waited for: it is there already.
    if (claim !== undefined && claim.as !== "handler") named.delete(claim.by);
    if (claim?.as === "handler") for (const one of named) if (handlers[one] === index) named.delete(one);
    if (claim?.as === "body" && named.size > 0) report(at, "the body of a loop starts with each turn: it depends on nothing else");
    return [...named];
  });
  const dependants = drafts.map((): number[] => []);
  dependencies.forEach((named, index) => {
    for (const one of named) dependants[one]?.push(index);
  });
  const steps = drafts.map(({ id, fields, at }, index): DagStep | undefined => {
    const kind = kinds[index];
    if (kind === undefined) return undefined;
    checkKeys(fields, kind, at);
    const claim = claims.get(index);
    return {
      index,
      id,
      name: fields.name ?? null,
      description: fields.description ?? null,
      kind,
      dependsOn: dependencies[index] ?? [],
      dependants: dependants[index] ?? [],
      activatedBy: claim === undefined ? null : claim.as === "handler" ? { as: "handler" } : { as: claim.as, by: claim.by },
      activates: kind.kind === "switch" ? casesOf(kind) : (activates[index] ?? []),
      handlesErrorsOf: users[index] ?? 0,
      condition: kind.kind === "condition" || kind.kind === "switch" ? null : (fields.condition?.value ?? null),
      forEach:
        fields.forEach === undefined ? null : { items: fields.forEach.value, parallelMax: fields.maxParallel?.value ?? parallelDefault },
      input: inputOf(id, fields, kind),
      inputSchema: fields.inputSchema ?? namedSchema(fields.inputSchemaId, options),
      outputSchema: fields.outputSchema ?? namedSchema(fields.outputSchemaId, options),
      outputPath: fields.outputPath === undefined ? null : fields.outputPath.value.split("."),
      onError: handlers[index] ?? null,
      continueOnError: fields.continueOnError ?? false,
      retry: retryOf(fields),
      timeoutMs: timeoutOf(fields),
      compensation: compensationOf(fields.compensate, kind),
    };
  });
  return steps.every((step) => step !== undefined) ? steps : undefined;
}

function handlerOf(
  { onError }: StepFields,
  index: number,
  find: (ref: Placed<string>) => number | undefined,
  claims: Claims,
): number | null {
  const handler = onError === undefined ? undefined : find(onError);
  if (onError === undefined || handler === undefined) return null;
  const claim = claims.get(handler);
  if (handler === index) report(onError.at, "a step cannot handle its own errors");
  else if (claim !== undefined && claim.as !== "handler") report(onError.at, `\`${onError.value}\` is started by another step already`);
  else claims.set(handler, { as: "handler", by: index });
  return handler;
}

/** Control steps read their `input` as settings; it is no input of an action. */
function inputOf(id: string, fields: StepFields, kind: StepKind): Template | null {
  if (kind.kind === "transform") return fields.input?.value ?? null;
  if (kind.kind === "notice") return noticeInput(id, fields);
  if (kind.kind !== "activity") return null;
  if (kind.type === "approval") return approvalInput(id, fields);
  return kind.type === "notify" ? messageInput(fields.name ?? id, fields) : (fields.input?.value ?? null);
}

function retryOf({ retry, retries }: ActionFields): Retry {
  if (retry !== undefined && retries !== undefined) report(retries.at, "`retries` says again what `retry` has said");
  return retries?.value ?? retry ?? once;
}

function namedSchema(ref: Placed<string> | undefined, { schemaOf }: ParseOptions): Schema | null {
  if (ref === undefined) return null;
  const found = schemaOf?.(ref.value);
  if (found === undefined) return report(ref.at, `there is no schema \`${ref.value}\``) ?? null;
  const schema = compileSchema(found);
  return schema.ok ? schema.value : (report(ref.at, `the schema \`${ref.value}\` is refused: ${schema.error}`) ?? null);
}

function compensationOf(placed: Placed<ActionFields> | undefined, of: StepKind): Compensation | null {
  if (placed === undefined) return null;
  const { value: fields, at } = placed;
  if (of.kind !== "activity" && of.kind !== "subworkflow")
    return report(at, "only what a worker or a subworkflow has done can be compensated") ?? null;
  const kind = compensatingKind(fields, at);
  return kind === undefined ? null : { kind, input: compensationInput(fields, kind), retry: retryOf(fields) };
}

const compensationInput = (fields: ActionFields, kind: ActivityKind): Template | null =>
  kind.type === "notify" ? messageInput("compensated", fields) : (fields.input?.value ?? null);

function compensatingKind(fields: ActionFields, at: Place): ActivityKind | undefined {
  const type = fields.type ?? "job";
  if (type === "http") return linkHttp(fields, at);
  if (type === "notify") return linkNotification(fields, at);
  if (type === "job" || type === "activity") {
    if (type === "job" && fields.topic === undefined && fields.activityType === undefined)
      return report(at, "a compensation needs `topic`, or `task_queue` and `activity_type`");
    return linkJob({ ...fields, ...(type === "activity" ? { type: undefined } : {}) } as ActionFields, at);
  }
  return report(at, `a compensation is a job, an activity, an HTTP request or a notification, not a ${type}`);
}

/** Keys that mean nothing where they stand. */
function checkKeys(fields: StepFields, kind: StepKind, at: Place): void {
  const onlyFor = (keys: readonly string[], given: readonly unknown[], wanted: boolean, of: string): void => {
    if (!wanted && given.some((one) => one !== undefined)) warn(at, `${keys.map((key) => `\`${key}\``).join(", ")}: only for ${of}`);
  };
  const { delay, delaySec, delayUntil, forEach, maxParallel } = fields;
  onlyFor(["delay", "delay_sec", "delay_until"], [delay, delaySec, delayUntil], kind.kind === "delay", "delay steps");
  onlyFor(["signal"], [fields.signal], kind.kind === "signal", "signal steps");
  onlyFor(["input_mapping", "output_mapping"], [fields.inputMapping, fields.outputMapping], kind.kind === "subworkflow", "subworkflows");
  onlyFor(["max_parallel"], [maxParallel], forEach !== undefined || kind.kind === "parallel", "`for_each` and parallel steps");
  const acts = kind.kind === "activity" || kind.kind === "subworkflow";
  onlyFor(["retry", "retries"], [fields.retry, fields.retries], acts, "steps that a worker or a subworkflow carries out");
  if (forEach !== undefined && composites.includes(kind.kind))
    report(forEach.at, `\`for_each\` repeats one action, and this is a ${kind.kind}: use a subworkflow`);
}

function reportCycle(cycle: readonly number[], drafts: readonly Draft[]): undefined {
  const indexes = cycle.map((point) => point >> 1);
  const distinct = indexes.filter((index, position) => index !== indexes[position - 1]);
  if (distinct.length > 1 && distinct[0] === distinct.at(-1)) distinct.pop();
  const first = Math.min(...distinct);
  const turned = [...distinct.slice(distinct.indexOf(first)), ...distinct.slice(0, distinct.indexOf(first)), first];
  const draft = drafts[first];
  const path = turned.map((index) => drafts[index]?.id ?? "").join(" → ");
  return draft === undefined ? undefined : report(draft.at, `steps wait for each other: ${path}`);
}
