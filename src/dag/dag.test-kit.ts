import { assert, present } from "../base/assert.ts";
import type { Effect } from "./decider/effect.ts";
import type { DagEvent, RunStart } from "./decider/event.ts";
import { advance, decide, initial } from "./decider/evolve.ts";
import type { DagState } from "./decider/state.ts";
import type { TimelineEntry } from "./decider/turn.ts";
import type { Json } from "./json.ts";
import { type ParseOptions, parseDagSpec } from "./spec/parse.ts";
import type { DagSpec } from "./spec/spec.ts";

/** A definition that has to be right. Steps are written without the frame around them: `detect: {topic: job.detect}`. */
export function specFrom(text: string, options: ParseOptions = {}): DagSpec {
  const whole = /^steps:/m.test(text) ? text : `steps:\n${text.replace(/^/gm, "  ")}`;
  const { spec, problems } = parseDagSpec(whole, options);
  return present(spec, problems.map(({ line, message }) => `${line}: ${message}`).join("; "));
}

export const runStart: RunStart = { runId: "r1", workflowId: "w1", input: {}, context: {}, labels: {}, callStack: [], kept: {} };

/** A run with everything around it played by the test: what is wanted becomes events as a server would make them. */
export class TestRun {
  readonly spec: DagSpec;
  readonly events: DagEvent[] = [];
  readonly timeline: TimelineEntry[] = [];
  state: DagState;
  now = 1_000_000;

  constructor(text: string | DagSpec, start: Partial<RunStart> = {}) {
    this.spec = typeof text === "string" ? specFrom(text) : text;
    this.state = initial(this.spec);
    this.happen({ type: "RunStarted", at: this.now, ...runStart, ...start });
    this.carryOut();
  }

  happen(event: DagEvent): void {
    this.events.push(event);
    const { state, timeline } = advance(this.spec, this.state, event);
    this.state = state;
    this.timeline.push(...timeline);
  }

  /** What the run wants is done: activities are scheduled, timers started. The effects, as a list of short words. */
  carryOut(): readonly string[] {
    const effects = decide(this.state);
    for (const effect of effects) for (const event of caused(effect, this.now)) this.happen(event);
    return effects.map(short);
  }

  get wanted(): readonly string[] {
    return decide(this.state).map(short);
  }

  private after(event: DagEvent): readonly string[] {
    this.happen(event);
    return this.carryOut();
  }

  complete(activityId: string, output: Json = null): readonly string[] {
    return this.after({ type: "ActivityCompleted", at: this.now, activityId, output });
  }
  fail(activityId: string, { type = "Error", message = "broken", retryable = true } = {}): readonly string[] {
    return this.after({ type: "ActivityFailed", at: this.now, activityId, failure: { type, message, retryable } });
  }
  deny(activityId: string): readonly string[] {
    return this.fail(activityId, { type: "PolicyDenied", message: "denied by rule 7", retryable: false });
  }
  timeOut(activityId: string): readonly string[] {
    return this.after({ type: "ActivityTimedOut", at: this.now, activityId, message: "too slow" });
  }
  canceled(activityId: string): readonly string[] {
    return this.after({ type: "ActivityCanceled", at: this.now, activityId, message: "cancelled by the operator" });
  }
  fire(timerId: string): readonly string[] {
    return this.after({ type: "TimerFired", at: this.now, timerId });
  }
  signal(name: string, payload: Json = null): readonly string[] {
    return this.after({ type: "Signaled", at: this.now, name, payload });
  }
  cancel(reason = "enough"): readonly string[] {
    return this.after({ type: "CancelRequested", at: this.now, reason });
  }
  childCompleted(childId: string, output: Json = null): readonly string[] {
    return this.after({ type: "ChildCompleted", at: this.now, childId, output });
  }

  step(id: string) {
    return present(this.state.steps[present(this.spec.indexOf.get(id), id)], id);
  }
  get statuses(): { readonly [id: string]: string } {
    return Object.fromEntries(this.spec.steps.map(({ id }) => [id, this.step(id).status]));
  }
  get status(): string {
    return this.state.closed?.status ?? "open";
  }
  get lines(): readonly string[] {
    return this.timeline.map(({ type, stepId, status }) => [type, stepId, status].filter((part) => part !== undefined).join(" "));
  }
}

/** The input of an activity that is wanted, or was. */
export function inputOf(run: TestRun, activityId: string): Json {
  const wanted = decide(run.state).find((effect) => effect.type === "ScheduleActivity" && effect.activityId === activityId);
  assert(wanted?.type === "ScheduleActivity", `${activityId} is wanted`);
  return wanted.input;
}

export const short = (effect: Effect): string => {
  switch (effect.type) {
    case "ScheduleActivity":
      return effect.activityId;
    case "CancelActivity":
      return `cancel ${effect.activityId}`;
    case "StartTimer":
      return `timer ${effect.timerId}`;
    case "CancelTimer":
      return `cancel timer ${effect.timerId}`;
    case "StartChild":
      return `child ${effect.childId}`;
    case "CancelChild":
      return `cancel child ${effect.childId}`;
    case "CloseRun":
      return `close ${effect.status}`;
  }
};

/** The event that says that an effect has happened. */
export function caused(effect: Effect, at: number): readonly DagEvent[] {
  switch (effect.type) {
    case "ScheduleActivity":
      return [{ type: "ActivityScheduled", at, activityId: effect.activityId, attemptsPermitted: null }];
    case "CancelActivity":
      return [{ type: "ActivityCancelRequested", at, activityId: effect.activityId }];
    case "StartTimer":
      return [{ type: "TimerStarted", at, timerId: effect.timerId }];
    case "CancelTimer":
      return [{ type: "TimerCanceled", at, timerId: effect.timerId }];
    case "StartChild":
      return [
        { type: "ChildInitiated", at, childId: effect.childId, attemptsPermitted: null },
        { type: "ChildStarted", at, childId: effect.childId, childRunId: `run of ${effect.childId}` },
      ];
    case "CancelChild":
      return [{ type: "ChildCancelRequested", at, childId: effect.childId }];
    case "CloseRun":
      return [{ type: "RunClosed", at, status: effect.status }];
  }
}
