import { err, ok, type Result } from "../../base/result.ts";
import { formatActionId } from "../action-id.ts";
import { evaluate, pathsIn } from "../expression/expression.ts";
import { isTrue } from "../expression/simple.ts";
import { render } from "../expression/template.ts";
import { at, isList, isObject, type Json, withoutValueAt, withValueAt } from "../json.ts";
import type { DagStep } from "../spec/spec.ts";
import type { ActivityKind } from "../step-type/activity.ts";
import { parseTime, timeForm } from "../step-type/delay.ts";
import type { LeafKind } from "../step-type/step-types.ts";
import type { WantedActivity } from "./effect.ts";
import { fatal, type Outcome, succeeded } from "./outcome.ts";
import type { ActionRef, Phase, StepStatus } from "./state.ts";
import { actionIdOf, countOpen, jobId, localsOf, own, scopeOf, specOf, startOf, startTimer, type Turn, want } from "./turn.ts";

/** One attempt of one action, about to begin. */
export type Attempt = { readonly ref: ActionRef; readonly leaf: DagStep; readonly attempt: number; readonly input: Json };
/** It has ended at once, or it waits for an event. */
export type Begun = Outcome | { readonly status: Extract<StepStatus, "running" | "waiting">; readonly phase: Phase };

type Begin<K extends LeafKind["kind"]> = (turn: Turn, attempt: Attempt, kind: Extract<LeafKind, { kind: K }>) => Begun;

const begins: { readonly [K in LeafKind["kind"]]: Begin<K> } = {
  activity(turn, attempt, kind) {
    const id = actionIdOf(turn, attempt.ref, attempt.attempt);
    want(turn, { type: "ScheduleActivity", ...wantedActivity(turn, kind, { ...id, input: attempt.input }) });
    countOpen(turn, 1);
    return { status: kind.type === "approval" ? "waiting" : "running", phase: "activity" };
  },

  subworkflow(turn, { ref, attempt, leaf }, { workflowId, inputMapping }) {
    const { workflowId: own, callStack, labels } = startOf(turn);
    const scope = scopeOf(turn, localsOf(turn, ref));
    const child = render(workflowId, scope);
    const input = inputMapping === null ? ok(withItem(turn, ref, leaf, inputOfRun(turn, ref, leaf))) : render(inputMapping, scope);
    if (!child.ok) return fatal(child.error);
    if (!input.ok) return fatal(input.error);
    if (typeof child.value !== "string" || child.value === "") return fatal("`workflow_id` is not a text");
    const stack = [...callStack, own];
    if (stack.includes(child.value)) return fatal(`circular workflow reference detected: ${[...stack, child.value].join(" → ")}`);
    if (stack.length >= callDepthMax) return fatal(`more than ${callDepthMax} workflows inside of each other`);
    const id = actionIdOf(turn, ref, attempt);
    const ids = { childId: formatActionId(id), jobId: jobId(turn, id), stepId: id.stepId };
    const { timeoutMs } = leaf;
    want(turn, { type: "StartChild", ...ids, workflowId: child.value, input: input.value, timeoutMs, labels, callStack: stack });
    countOpen(turn, 1);
    return { status: "running", phase: "child" };
  },

  delay(turn, { ref, attempt }, { forMs, until }) {
    const fireAt = until === null ? ok(turn.at + forMs) : timeOf(render(until, scopeOf(turn, localsOf(turn, ref))));
    if (!fireAt.ok) return fatal(fireAt.error);
    if (fireAt.value <= turn.at) return succeeded(null);
    startTimer(turn, actionIdOf(turn, ref, attempt), "delay", fireAt.value);
    return { status: "running", phase: "delay" };
  },

  signal(turn, { ref, attempt, leaf }, { name }) {
    const index = turn.state.signals.findIndex((signal) => signal.name === name);
    const [signal] = index < 0 ? [] : own(turn, "signals").splice(index, 1);
    if (signal !== undefined) return succeeded(signal.payload);
    own(turn, "waiters").push(ref);
    if (leaf.timeoutMs !== null) startTimer(turn, actionIdOf(turn, ref, attempt), "timeout", turn.at + leaf.timeoutMs);
    return { status: "waiting", phase: "signal" };
  },

  condition(turn, { ref }, { expression }) {
    const value = evaluate(expression, scopeOf(turn, localsOf(turn, ref)));
    return value.ok ? succeeded(isTrue(value.value)) : fatal(value.error);
  },

  transform: (_turn, { input }) => succeeded(input),

  notice(_turn, { input }) {
    if (!isObject(input)) return fatal("a notice is an object");
    const { level = null } = input;
    return succeeded({ ...input, level: typeof level === "string" ? level.toUpperCase() : level });
  },

  storage(turn, { ref }, { operation, path, value }) {
    const { context } = turn.state;
    const key = path.join(".");
    const write = (changed: Json): void => {
      turn.state = { ...turn.state, context: changed };
    };
    if (operation === "delete") {
      write(withoutValueAt(context, path));
      return succeeded({ operation, key });
    }
    if (operation === "read") {
      const found = at(context, path);
      return found === null ? fatal(`there is nothing at \`${key}\``) : succeeded({ operation, key, value: found });
    }
    const written = value === null ? ok(null) : render(value, scopeOf(turn, localsOf(turn, ref)));
    if (!written.ok) return fatal(written.error);
    write(withValueAt(context, path, written.value));
    return succeeded({ operation, key, value: written.value });
  },
};

/** Workflows that start each other, and never end. */
const callDepthMax = 20;

export function begin(turn: Turn, attempt: Attempt, kind: LeafKind): Begun {
  // One function for each kind, which TypeScript cannot see through the table.
  return (begins[kind.kind] as Begin<LeafKind["kind"]>)(turn, attempt, kind);
}

/** The input of an action, as it stays for all its attempts. */
export function inputOf(turn: Turn, ref: ActionRef, leaf: DagStep): Result<Json, string> {
  const own = leaf.input === null ? null : render(leaf.input, scopeOf(turn, localsOf(turn, ref)));
  if (own?.ok === false) return own;
  const input = own === null ? (leaf.kind.kind === "activity" ? inputOfRun(turn, ref, leaf) : null) : own.value;
  const checked = leaf.inputSchema?.check(input);
  if (checked?.ok === false) return err(`input schema validation failed: ${checked.error}`);
  return ok(withItem(turn, ref, leaf, input));
}

/**
 * Without a template, an activity or child gets the input of the run. With `for_each`, it gets it without the lists that `for_each` looks at: every
 * item would have a copy of all items.
 */
function inputOfRun(turn: Turn, { step, item }: ActionRef, leaf: DagStep): Json {
  const { input } = startOf(turn);
  const { forEach } = specOf(turn, step);
  if (item === null || forEach === null || !takesItem(leaf)) return input;
  const lists = pathsIn(forEach.items).flatMap(([root, ...path]) => (root === "input" && isList(at(input, path)) ? [path] : []));
  const rest = lists.reduce(withoutValueAt, input);
  return { ...(isObject(rest) ? rest : {}), foreach_index: item };
}

/** A job or a child with `for_each` finds its item in its input. */
function withItem(turn: Turn, { step, item }: ActionRef, leaf: DagStep, input: Json): Json {
  if (item === null || !takesItem(leaf) || specOf(turn, step).forEach === null || !isObject(input) || "item" in input) return input;
  return { ...input, item: turn.state.steps[step]?.group?.items[item] ?? null };
}

const takesItem = ({ kind }: DagStep): boolean =>
  kind.kind === "subworkflow" || (kind.kind === "activity" && (kind.type === "job" || kind.type === "activity"));

function timeOf(rendered: Result<Json, string>): Result<number, string> {
  if (!rendered.ok) return rendered;
  const time = parseTime(rendered.value);
  return time === null ? err(`\`delay_until\` is not ${timeForm}`) : ok(time);
}

type Wanted = {
  readonly stepId: string;
  readonly item: number | null;
  readonly attempt: number;
  readonly compensates: boolean;
  readonly input: Json;
};

export function wantedActivity(turn: Turn, kind: ActivityKind, { input, ...id }: Wanted): WantedActivity {
  const { runId, workflowId, labels } = startOf(turn);
  const { target, workerId, capability, riskTags, requires, packId, actorId, actorType, idempotencyKey, timeouts } = kind;
  return {
    activityId: formatActionId(id),
    jobId: jobId(turn, id),
    stepId: id.stepId,
    stepType: kind.type,
    itemIndex: id.item,
    attempt: id.attempt,
    compensates: id.compensates,
    target: target.to === "topic" ? { to: "topic", topic: target.topic ?? `job.workflow.${workflowId}` } : target,
    input,
    timeouts,
    priority: kind.priority ?? priorityIn(input),
    labels: {
      ...labels,
      ...kind.labels,
      ...(workerId === null ? {} : { worker_id: workerId }),
      ...(id.compensates ? { is_compensation: "true" } : {}),
      workflow_id: workflowId,
      run_id: runId,
      step_id: id.stepId,
    },
    workerId,
    capability,
    riskTags,
    requires,
    packId,
    actorId,
    actorType,
    idempotencyKey,
  };
}

function priorityIn(input: Json): string {
  const { priority } = isObject(input) ? input : { priority: null };
  return priority === "critical" || priority === "interactive" ? priority : "batch";
}
