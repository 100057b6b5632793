import fc from "fast-check";
import { expect, test } from "vitest";
import { assert, present } from "../../base/assert.ts";
import { parseActionId } from "../action-id.ts";
import { caused, runStart } from "../dag.test-kit.ts";
import { randomInput, randomWorkflow } from "../random-workflow.test-kit.ts";
import { rerunFrom } from "../rerun.ts";
import { parseDagSpec } from "../spec/parse.ts";
import type { DagSpec, DagStep } from "../spec/spec.ts";
import type { Effect } from "./effect.ts";
import type { DagEvent, RunStart } from "./event.ts";
import { decide, evolve, initial } from "./evolve.ts";
import { type DagState, isEnded } from "./state.ts";

const eventsMax = 3_000;

/** Everything that a run and the world around it did. */
type Played = {
  readonly events: readonly DagEvent[];
  readonly effects: readonly Effect[];
  readonly states: readonly DagState[];
  readonly last: DagState;
};

/**
 * Plays the world around a run: each choice takes one of the things that can happen next. When the choices run out, everything goes well.
 * States are frozen, so that a fold that writes to what it was given is found out.
 */
function play(spec: DagSpec, choices: readonly number[], start: Partial<RunStart> = {}): Played {
  const events: DagEvent[] = [];
  const effects: Effect[] = [];
  const states: DagState[] = [];
  let state = initial(spec);
  const happen = (event: DagEvent): void => {
    states.push(freeze(state));
    events.push(event);
    state = evolve(spec, state, event);
  };
  const activities = new Set<string>();
  const children = new Set<string>();
  const timers = new Set<string>();
  const carryOut = (): void => {
    for (const effect of decide(state)) {
      check(spec, state, effect, effects);
      checkAtOnce(spec, state, effect, { before: effects, open: [...activities, ...children] });
      effects.push(effect);
      if (effect.type === "ScheduleActivity") activities.add(effect.activityId);
      if (effect.type === "StartChild") children.add(effect.childId);
      if (effect.type === "StartTimer") timers.add(effect.timerId);
      if (effect.type === "CancelTimer") assert(timers.delete(effect.timerId), `timer ${effect.timerId} is there to be cancelled`);
      if (effect.type === "CancelActivity") assert(activities.has(effect.activityId), `${effect.activityId} is there to be cancelled`);
      for (const event of caused(effect, 1)) happen(event);
    }
  };
  happen({ type: "RunStarted", at: 1, ...runStart, input: randomInput, ...start });
  carryOut();
  for (let turn = 0; state.closed === null; turn++) {
    assert(turn < eventsMax, "the run ends");
    const choice = choices[turn] ?? 0;
    const of = <T>(set: ReadonlySet<T>): T | undefined => [...set][Math.floor(choice / 16) % Math.max(set.size, 1)];
    const activity = of(activities);
    const child = of(children);
    const timer = of(timers);
    const kind = choice % 16;
    if (kind === 15 && turn % 3 === 0) happen({ type: "CancelRequested", at: 1, reason: "enough" });
    else if (kind === 14) happen({ type: "Signaled", at: 1, name: `s${choice % 12}`, payload: choice });
    else if (activity !== undefined && (kind < 11 || (child === undefined && timer === undefined))) {
      activities.delete(activity);
      happen(activityEvent(activity, kind));
    } else if (child !== undefined && (kind < 13 || timer === undefined)) {
      children.delete(child);
      happen(
        kind === 11
          ? { type: "ChildFailed", at: 1, childId: child, failure: { type: "E", message: "no", retryable: true } }
          : { type: "ChildCompleted", at: 1, childId: child, output: null },
      );
    } else if (timer !== undefined) {
      timers.delete(timer);
      happen({ type: "TimerFired", at: 1, timerId: timer });
    } else {
      const [waiter] = state.waiters;
      assert(waiter !== undefined, "an open run waits for something");
      happen({ type: "Signaled", at: 1, name: nameOf(spec, waiter.step), payload: null });
    }
    carryOut();
  }
  states.push(state);
  return { events, effects, states, last: state };
}

function nameOf(spec: DagSpec, step: number): string {
  const at = present(spec.steps[step], "step");
  const leaf = at.kind.kind === "loop" ? present(spec.steps[at.kind.body], "body") : at;
  assert(leaf.kind.kind === "signal", "who waits for a signal is a signal step");
  return leaf.kind.name;
}

function activityEvent(activityId: string, kind: number): DagEvent {
  const failure = (type: string, retryable: boolean): DagEvent => ({
    type: "ActivityFailed",
    at: 1,
    activityId,
    failure: { type, message: "no", retryable },
  });
  if (kind === 7) return failure("Error", false);
  if (kind === 8) return failure("PolicyDenied", false);
  if (kind === 9) return { type: "ActivityTimedOut", at: 1, activityId, message: "late" };
  if (kind === 10) return { type: "ActivityCanceled", at: 1, activityId, message: "stopped" };
  return kind === 5 || kind === 6 ? failure("Error", true) : { type: "ActivityCompleted", at: 1, activityId, output: activityId };
}

/** What must hold when something is wanted. */
function check(spec: DagSpec, state: DagState, effect: Effect, before: readonly Effect[]): void {
  const idOf = (one: Effect): string | null =>
    one.type === "ScheduleActivity" ? one.activityId : one.type === "StartChild" ? one.childId : null;
  const id = idOf(effect);
  if (id === null) return;
  const earlier = before.map(idOf);
  assert(!earlier.includes(id), `${id} is wanted once`);
  const parsed = present(parseActionId(id), "an id that reads back");
  const previous = id.replace(/@\d+$/, `@${parsed.attempt - 1}`);
  assert(parsed.attempt === 1 || earlier.includes(previous), `${id} comes after the attempt before`);
  if (parsed.compensates) return;
  assert(state.ending === null, `${id} is not started in a run that ends`);
  const step = present(spec.steps[present(spec.indexOf.get(parsed.stepId), parsed.stepId)], parsed.stepId);
  for (const dependency of step.dependsOn) assertOver(state, present(spec.steps[dependency], "dependency"), step.id);
  if (step.activatedBy !== null && step.activatedBy.as !== "handler")
    assert(state.steps[step.activatedBy.by]?.status !== "pending", `${step.id} is started by a step that has started`);
}

/** How much may be under way when another action starts. `open` is what has been started, and has not been answered. */
function checkAtOnce(
  spec: DagSpec,
  state: DagState,
  effect: Effect,
  { before, open }: { readonly before: readonly Effect[]; readonly open: readonly string[] },
): void {
  for (const { index, kind } of spec.steps) {
    if (kind.kind !== "parallel" || state.steps[index]?.status !== "running") continue;
    const running = kind.branches.filter((branch) => ["running", "waiting"].includes(state.steps[branch]?.status ?? ""));
    assert(running.length <= kind.parallelMax, "no more branches than may be");
  }
  if (effect.type !== "ScheduleActivity" && effect.type !== "StartChild") return;
  const id = present(parseActionId(effect.type === "StartChild" ? effect.childId : effect.activityId), "an id that reads back");
  const others = open.map((one) => present(parseActionId(one), "an id that reads back"));
  if (id.compensates) {
    assert(!others.some(({ compensates }) => compensates), "one compensation after the other");
    assert(state.draining.length === 0, "what may yet be done is waited for");
    return;
  }
  if (id.item === null) return;
  const step = present(spec.steps[present(spec.indexOf.get(id.stepId), id.stepId)], id.stepId);
  const siblings = others.filter(({ stepId, compensates }) => stepId === id.stepId && !compensates);
  if (step.kind.kind === "loop") {
    assert(siblings.length === 0, "one turn after the other");
    assert(id.item < step.kind.turnsMax, "no more turns than may be");
    const turns = before.flatMap((one) => ("stepId" in one && one.stepId === id.stepId && "itemIndex" in one ? [one.itemIndex] : []));
    assert(
      turns.every((turn) => turn === null || turn <= (id.item ?? 0)),
      "turns come in order",
    );
  } else assert(siblings.length < present(step.forEach, "its items").parallelMax, "no more items than may be");
}

/** Succeeded, passed over, or failed in a way that somebody has dealt with. */
function assertOver(state: DagState, dependency: DagStep, of: string): void {
  const was = present(state.steps[dependency.index], "state");
  const handler = dependency.onError === null ? null : present(state.steps[dependency.onError], "handler");
  const isDealtWith = dependency.continueOnError || handler !== null || dependency.activatedBy?.as === "branch";
  const isBody = dependency.activatedBy?.as === "body";
  assert(isEnded(was.status), `${dependency.id} has ended before ${of}`);
  assert(was.status === "succeeded" || was.status === "cancelled" || isDealtWith || isBody, `${dependency.id} is good for ${of}`);
  if (was.status === "failed" && handler !== null)
    assert(isEnded(handler.status), `the handler of ${dependency.id} has ended before ${of}`);
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freeze(part);
  }
  return value;
}

const choices = fc.array(fc.nat(16 * 60), { maxLength: 120 });
const specOf = (definition: unknown): DagSpec | null => parseDagSpec(JSON.stringify(definition)).spec;
/** `DAG_RUNS=20000` looks longer. */
const runs = { numRuns: Number(process.env.DAG_RUNS ?? 300) };
const timeoutMs = runs.numRuns * 100;

test("most random definitions are good", () => {
  expect(fc.sample(randomWorkflow, 300).filter((definition) => specOf(definition) !== null).length).toBeGreaterThan(150);
});

test(
  "every run ends, starts nothing before its dependencies, and nothing twice",
  () => {
    fc.assert(
      fc.property(randomWorkflow, choices, (definition, chosen) => {
        const spec = specOf(definition);
        fc.pre(spec !== null);
        const { last } = play(spec, chosen);
        expect(last.closed).not.toBe(null);
        expect(last.unsettled).toBe(0);
        expect(last.steps.filter(({ status }) => !isEnded(status))).toEqual([]);
        if (last.closed?.status === "succeeded") expect(last.ending?.error).toBe(null);
      }),
      runs,
    );
  },
  timeoutMs,
);

test(
  "a run that is cancelled before it began to end ends as cancelled",
  () => {
    fc.assert(
      fc.property(randomWorkflow, choices, fc.nat(5), (definition, chosen, at) => {
        const spec = specOf(definition);
        fc.pre(spec !== null);
        // The choice that cancels, wherever it can be taken.
        const { events, states, last } = play(spec, [...chosen.slice(0, at), 15, 15, 15, ...chosen.slice(at)]);
        const index = events.findIndex(({ type }) => type === "CancelRequested");
        fc.pre(index >= 0);
        const before = present(states[index], "the state before an event");
        if (before.ending === null) expect(last.closed?.status).toBe("cancelled");
        else expect(last.closed?.status).toBe(before.ending.status);
      }),
      runs,
    );
  },
  timeoutMs,
);

test(
  "a parallel step succeeds when as many of its branches are good as have to be, and fails when they no longer can be",
  () => {
    fc.assert(
      fc.property(randomWorkflow, choices, (definition, chosen) => {
        const spec = specOf(definition);
        fc.pre(spec !== null);
        const { last } = play(spec, chosen);
        for (const { index, kind } of spec.steps) {
          if (kind.kind !== "parallel") continue;
          const was = present(last.steps[index], "the state of a step");
          const branches = kind.branches.map((branch) => present(spec.steps[branch], "a branch"));
          const statusOf = (step: number): string => present(last.steps[step], "the state of a branch").status;
          const good = branches.filter((branch) => statusOf(branch.index) === "succeeded").length;
          // These may stand in for success: errors that do not matter, and those that somebody has handled, well or as if it did not matter.
          const isExcused = ({ continueOnError, onError }: DagStep): boolean => {
            const handler = onError === null ? null : present(spec.steps[onError], "who handles an error");
            return continueOnError || (handler !== null && (statusOf(handler.index) === "succeeded" || isExcused(handler)));
          };
          const excused = branches.filter((branch) => statusOf(branch.index) !== "succeeded" && isExcused(branch)).length;
          if (was.status === "succeeded" && was.branches !== null) expect(good + excused).toBeGreaterThanOrEqual(kind.required);
          if (was.status === "failed" && was.branches !== null) expect(good).toBeLessThan(kind.required);
        }
      }),
      runs,
    );
  },
  timeoutMs,
);

test(
  "what was done is compensated in reverse order, and nothing else is",
  () => {
    fc.assert(
      fc.property(randomWorkflow, choices, (definition, chosen) => {
        const spec = specOf(definition);
        fc.pre(spec !== null);
        const { events, effects, last } = play(spec, chosen);
        const done: string[] = [];
        for (const event of events) {
          const id = event.type === "ActivityCompleted" ? event.activityId : event.type === "ChildCompleted" ? event.childId : null;
          const parsed = id === null ? null : parseActionId(id);
          if (id === null || parsed === null || parsed.compensates) continue;
          const step = present(spec.steps[present(spec.indexOf.get(parsed.stepId), id)], id);
          const leaf = step.kind.kind === "loop" ? present(spec.steps[step.kind.body], id) : step;
          if (leaf.compensation !== null) done.push(id.replace(/@\d+$/, ".compensate@1"));
        }
        const undone = effects.filter((effect) => effect.type === "ScheduleActivity").map(({ activityId }) => activityId);
        const first = undone.filter((id) => id.endsWith(".compensate@1"));
        const status = last.closed?.status ?? "succeeded";
        expect(first).toEqual(status !== "succeeded" && spec.compensateOn.has(status) ? done.toReversed() : []);
      }),
      runs,
    );
  },
  timeoutMs,
);

test(
  "what waits in a group is counted",
  () => {
    fc.assert(
      fc.property(randomWorkflow, choices, (definition, chosen) => {
        const spec = specOf(definition);
        fc.pre(spec !== null);
        for (const { group } of play(spec, chosen).states.flatMap(({ steps }) => steps))
          if (group !== null) expect(group.waiting).toBe(group.actions.filter(({ status }) => status === "waiting").length);
      }),
      { numRuns: Math.ceil(runs.numRuns / 3) },
    );
  },
  timeoutMs,
);

test(
  "the fold is the same from any cut, also from a state that was stored",
  () => {
    fc.assert(
      fc.property(randomWorkflow, choices, fc.nat(), (definition, chosen, cut) => {
        const spec = specOf(definition);
        fc.pre(spec !== null);
        const { events, states, last } = play(spec, chosen);
        const at = cut % states.length;
        const before = events.slice(0, at).reduce((state, event) => evolve(spec, state, event), initial(spec));
        expect(before).toEqual(states[at]);
        const stored = JSON.parse(JSON.stringify(before)) as DagState;
        expect(decide(stored)).toEqual(decide(before));
        expect(events.slice(at).reduce((state, event) => evolve(spec, state, event), stored)).toEqual(last);
      }),
      { numRuns: Math.ceil(runs.numRuns / 3) },
    );
  },
  timeoutMs,
);

test(
  "a rerun from any step keeps what that step depends on, and ends",
  () => {
    fc.assert(
      fc.property(randomWorkflow, choices, choices, fc.nat(), (definition, chosen, again, from) => {
        const spec = specOf(definition);
        fc.pre(spec !== null);
        const step = present(spec.steps[from % spec.steps.length], "a step");
        const { last } = play(spec, chosen);
        const rerun = rerunFrom(spec, last, step.id);
        fc.pre(rerun.ok);
        const { kept, context } = rerun.value;
        const second = play(spec, again, { runId: "r2", kept, context });
        const scheduled = second.effects.flatMap((effect) => ("stepId" in effect && effect.stepId !== null ? [effect.stepId] : []));
        expect(scheduled.filter((id) => kept[id] !== undefined)).toEqual([]);
        expect(second.last.unsettled).toBe(0);
        for (const [id, { status, output }] of Object.entries(kept))
          expect(second.last.steps[present(spec.indexOf.get(id), id)]).toMatchObject({ status, output });
      }),
      runs,
    );
  },
  timeoutMs,
);
