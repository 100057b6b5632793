import { assert, present } from "../../base/assert.ts";
import type { EpochMs } from "../../base/time.ts";
import { type ActionId, formatActionId, formatTimerId, jobIdOf, type TimerPurpose } from "../action-id.ts";
import type { Scope } from "../expression/scope.ts";
import type { Json, JsonObject } from "../json.ts";
import type { DagSpec, DagStep } from "../spec/spec.ts";
import type { Effect } from "./effect.ts";
import type { RunStart } from "./event.ts";
import type { ActionRef, ActionState, DagState, StepState } from "./state.ts";

/** The private draft of one event: a copy of the state whose lists are copied when they are first written. */
export type Turn = {
  readonly spec: DagSpec;
  readonly at: EpochMs;
  state: DagState;
  readonly owned: Set<object>;
  readonly timeline: TimelineEntry[];
  /** What is to be looked at before the turn is over. A list in place of calls in calls: a chain of steps may be long. */
  readonly agenda: Task[];
};
export type Task = { readonly do: "start" | "resume" | "dismiss"; readonly step: number } | { readonly do: "dequeue" };

/** A line of the run's timeline. */
export type TimelineEntry = {
  readonly at: EpochMs;
  readonly type: string;
  readonly stepId?: string;
  readonly actionId?: string;
  readonly status?: string;
  readonly message?: string;
  readonly data?: JsonObject;
};

export const openTurn = (spec: DagSpec, state: DagState, at: EpochMs): Turn => ({
  spec,
  at,
  state: { ...state, updatedAt: at },
  owned: new Set(),
  timeline: [],
  agenda: [],
});

type ListKey = "steps" | "wanted" | "queue" | "signals" | "waiters" | "draining" | "done";

/** The list, to be written to. */
export function own<K extends ListKey>(turn: Turn, key: K): DagState[K][number][] {
  const list = turn.state[key];
  if (turn.owned.has(list)) return list as DagState[K][number][];
  const copy = [...list];
  turn.owned.add(copy);
  turn.state = { ...turn.state, [key]: copy };
  return copy;
}

export const startOf = (turn: Turn): Omit<RunStart, "kept" | "context"> => present(turn.state.start, "the start of the run");
export const specOf = (turn: Turn, index: number): DagStep => present(turn.spec.steps[index], "the step of an index");
export const stepOf = (turn: Turn, index: number): StepState => present(turn.state.steps[index], "the state of a step");

export function putStep(turn: Turn, index: number, change: Partial<StepState>): void {
  const steps = own(turn, "steps");
  steps[index] = { ...present(steps[index], "the state of a step"), ...change };
}

export const note = (turn: Turn, type: string, entry: Omit<TimelineEntry, "at" | "type"> = {}): void => {
  turn.timeline.push({ at: turn.at, type, ...entry });
};

// The actions of steps.

/** The step that says what an action does: in a loop, its body. */
export function leafOf(turn: Turn, { step }: ActionRef): DagStep {
  const spec = specOf(turn, step);
  return spec.kind.kind === "loop" ? specOf(turn, spec.kind.body) : spec;
}

export function actionOf(turn: Turn, { step, item }: ActionRef): ActionState | null {
  const state = turn.state.steps[step];
  return (item === null ? state?.action : state?.group?.actions[item]) ?? null;
}

export function putAction(turn: Turn, { step, item }: ActionRef, action: ActionState): void {
  if (item === null) {
    putStep(turn, step, { action });
    return;
  }
  const group = present(stepOf(turn, step).group, "the group of an item");
  let actions = group.actions as ActionState[];
  if (!turn.owned.has(actions)) {
    actions = [...actions];
    turn.owned.add(actions);
    putStep(turn, step, { group: { ...group, actions } });
  }
  const more = Number(action.status === "waiting") - Number(actions[item]?.status === "waiting");
  actions[item] = action;
  if (more !== 0) putStep(turn, step, { group: { ...group, actions, waiting: group.waiting + more } });
}

export const actionIdOf = (turn: Turn, { step, item }: ActionRef, attempt: number, compensates = false): ActionId => ({
  stepId: specOf(turn, step).id,
  item,
  attempt,
  compensates,
});

// Wanted effects.

export const want = (turn: Turn, effect: Effect): void => {
  own(turn, "wanted").push(effect);
};

const idOf = (effect: Effect): string =>
  "activityId" in effect ? effect.activityId : "timerId" in effect ? effect.timerId : "childId" in effect ? effect.childId : "";

/** Takes an effect back, since it has happened, or has no meaning any more. Whether it was wanted. */
export function unwant(turn: Turn, type: Effect["type"], id: string): boolean {
  const index = turn.state.wanted.findIndex((effect) => effect.type === type && idOf(effect) === id);
  if (index >= 0) own(turn, "wanted").splice(index, 1);
  return index >= 0;
}

export const startTimer = (turn: Turn, action: ActionId, purpose: TimerPurpose, fireAt: EpochMs): void =>
  want(turn, { type: "StartTimer", timerId: formatTimerId(action, purpose), fireAt });

/** A timer that was not started yet is not started at all. */
export function cancelTimer(turn: Turn, timerId: string): void {
  if (!unwant(turn, "StartTimer", timerId)) want(turn, { type: "CancelTimer", timerId });
}

export const jobId = (turn: Turn, action: ActionId): string => jobIdOf(startOf(turn).runId, formatActionId(action));

export function countOpen(turn: Turn, by: 1 | -1): void {
  const open = turn.state.open + by;
  assert(open >= 0, "open actions are counted");
  turn.state = { ...turn.state, open };
  if (by < 0 && turn.state.queue.length > 0) turn.agenda.push({ do: "dequeue" });
}

// What expressions see.

export function scopeOf(turn: Turn, locals: Partial<Scope> = {}): Scope {
  const { runId, workflowId, input, labels, config } = startOf(turn);
  return {
    input,
    ctx: turn.state.context,
    steps: stepsView(turn),
    run: { id: runId, workflow_id: workflowId, labels, started_at: new Date(turn.state.startedAt).toISOString() },
    config: config?.data ?? {},
    ...locals,
  };
}

/** What an action sees beside the run: its own configuration, its item, or its turn of a loop. */
export function localsOf(turn: Turn, ref: ActionRef): Partial<Scope> {
  const { step, item } = ref;
  const configured = configOf(turn, leafOf(turn, ref).id);
  if (item === null) return configured;
  const { group } = stepOf(turn, step);
  if (specOf(turn, step).kind.kind !== "loop") return { ...configured, item: group?.items[item] ?? null, foreach_index: item };
  return { ...configured, ...loopLocals(item, group?.actions[item - 1]?.output ?? null) };
}

function configOf(turn: Turn, stepId: string): Partial<Scope> {
  const { steps = {} } = startOf(turn).config ?? {};
  const config = Object.hasOwn(steps, stepId) ? steps[stepId] : undefined;
  return config === undefined ? {} : { config };
}

export const loopLocals = (index: number, previous: Json): Partial<Scope> => ({
  loop: { index, iteration: index + 1, previous_output: previous },
  loop_index: index,
  loop_iteration: index + 1,
  loop_previous_output: previous,
});

/** The steps as they are looked at, so that an expression costs what it looks at, not what there is. */
function stepsView(turn: Turn): { readonly [id: string]: Json } {
  const view = (id: string | symbol): Json | undefined => {
    const index = typeof id === "string" ? turn.spec.indexOf.get(id) : undefined;
    if (index === undefined) return undefined;
    const { status, output, error } = stepOf(turn, index);
    return { status, output, error: error === null ? null : { message: error.message } };
  };
  return new Proxy<{ [id: string]: Json }>(
    {},
    {
      get: (target, id) => view(id) ?? Reflect.get(target, id),
      has: (_target, id) => typeof id === "string" && turn.spec.indexOf.has(id),
      ownKeys: () => [...turn.spec.indexOf.keys()],
      getOwnPropertyDescriptor: (_target, id) => {
        const value = view(id);
        return value === undefined ? undefined : { value, enumerable: true, configurable: true, writable: false };
      },
    },
  );
}
