import { assert } from "../src/base/assert.ts";
import { minuteMs } from "../src/base/time.ts";
import { openSqlite } from "../src/store/sqlite/sqlite.ts";
import type { Store } from "../src/store/store.ts";
import { runWorkflow } from "./client.ts";
import { startPeople } from "./people.ts";
import { seeded } from "./random.ts";
import { type SimulatedServer, startSimulatedServer } from "./server.ts";
import { createVirtualTime } from "./time.ts";
import { drawOpen, same, verifyStore } from "./verify-store.ts";
import { createWitness, type Seen } from "./witness.ts";
import { type ActivityResult, startSimulatedWorker } from "./worker.ts";
import { anyPlan, expectedAnswer, fromPayloads, type Plan } from "./workflow.ts";

/** What came of one schedule, for whoever looks at whether it was a hard one. */
export type Outcome = { readonly crashes: number; readonly runs: number; readonly events: number; readonly governed: Seen | null };

/** Whether policies are in force in a schedule: in two of five. */
const isGoverned = (seed: number): boolean => seed % 5 < 2;

/** Virtual time after which a schedule that is not done has stalled. */
const patienceMs = 60 * minuteMs;

/** Turns of the event loop without a call after which everything is at rest: a group commit takes one. */
const restTurns = 3;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function settle(server: SimulatedServer): Promise<void> {
  for (let quiet = 0, seen = -1; quiet < restTurns; ) {
    await turn();
    const { activity } = server;
    quiet = activity === seen ? quiet + 1 : 0;
    seen = activity;
  }
}

/** Plays the schedule that a seed determines, and checks all that must be true at its end. Rejects with what is not. */
export async function simulate(seed: number): Promise<Outcome> {
  const random = seeded(seed);
  const time = createVirtualTime();
  const store = await openSqlite({ path: ":memory:" });
  let failure: unknown = null;
  function fail(error: unknown): void {
    failure ??= error;
  }
  const governed = isGoverned(seed);
  const witness = governed ? createWitness({ now: time.now }) : null;
  const server = await startSimulatedServer({
    store,
    time,
    random,
    committed: (changes, outcomes) => {
      try {
        witness?.committed(changes, outcomes);
      } catch (error) {
        fail(error);
      }
    },
    dangers: {
      crashAtCommit: random.pick([0, 0.01, 0.03, 0.1]),
      lostAnswer: random.pick([0, 0.02, 0.1]),
      restartMsMax: random.pick([10, 500, 5_000]),
    },
  });
  const promises = { activityResults: new Map<string, string>() };
  const dangers = {
    dies: random.pick([0, 0.02, 0.1]),
    answersTwice: random.pick([0, 0.2]),
    late: random.pick([0, 0.1]),
    delayMsMax: random.pick([0, 20, 400]),
  };
  const workers = Array.from({ length: random.between(1, 3) }, (_, index) =>
    startSimulatedWorker({ server, time, random, dangers, promises, witness, name: `worker-${index}`, failed: fail }),
  );

  const ids = Array.from({ length: random.between(1, 4) }, (_, index) => `plan-${index}`);
  const plans = new Map(ids.map((id) => [id, anyPlan(random, { workflowIds: [ids[0] ?? "", ...ids], governed })]));
  const results = new Map<string, Awaited<ReturnType<typeof runWorkflow>>>();
  const stopPeople = witness === null ? () => {} : startPeople({ server, time, random, witness, failed: fail });
  for (const [id, plan] of plans) {
    runWorkflow({ server, time, random }, id, plan).then((result) => results.set(id, result), fail);
  }

  const until = time.now() + patienceMs;
  const done = () => failure !== null || results.size === plans.size;
  while (!done()) {
    // Now and then the next thing happens while the one before is still under way.
    if (random.chance(0.7)) await settle(server);
    else if (random.chance(0.5)) await turn();
    if (done()) break;
    if (random.chance(0.002)) server.crash();
    if (time.step() && time.now() < until) continue;
    // Before the end is declared, all that is under way may finish.
    await settle(server);
    if (!done() && (!time.step() || time.now() >= until)) throw new Error(`nothing goes on at ${time.now()}:\n${await drawOpen(store)}`);
  }
  // What the last workflow told others may still be on its way.
  server.calm();
  for (const stop of [...workers, stopPeople]) stop();
  const calmFrom = time.now();
  while (failure === null && time.now() < calmFrom + minuteMs) {
    await settle(server);
    if (!time.step()) break;
  }
  await server.stop();
  if (failure !== null) throw failure;
  const outcome = await check(store, { plans, results, promises: promises.activityResults });
  const seen = witness === null ? null : await witness.finish(store);
  await store.close();
  return { ...outcome, crashes: server.crashes, governed: seen };
}

async function check(
  store: Store,
  {
    plans,
    results,
    promises,
  }: {
    readonly plans: ReadonlyMap<string, Plan>;
    readonly results: ReadonlyMap<string, Awaited<ReturnType<typeof runWorkflow>>>;
    readonly promises: ReadonlyMap<string, string>;
  },
): Promise<Omit<Outcome, "crashes" | "governed">> {
  for (const [id, plan] of plans) same(`the answer of ${id}`, results.get(id)?.answer, expectedAnswer(plan));
  const runs = await verifyStore(store);
  const missing = new Map(promises);
  const updates = new Map<string, number>();
  for (const { key, history } of runs) {
    const activities = new Map<number, string>();
    const attempts = new Map<number, number>();
    for (const { eventId, attributes } of history) {
      if (attributes?.$case === "activityTaskScheduledEventAttributes") activities.set(eventId, attributes.value.activityId);
      if (attributes?.$case === "activityTaskStartedEventAttributes")
        attempts.set(attributes.value.scheduledEventId, attributes.value.attempt);
      if (attributes?.$case === "activityTaskCompletedEventAttributes") {
        const { scheduledEventId } = attributes.value;
        const result = fromPayloads(attributes.value.result) as ActivityResult;
        const name = `${key.runId} ${activities.get(scheduledEventId)}`;
        assert(activities.delete(scheduledEventId), `the result of activity ${name} is recorded once`);
        same(`the attempt whose result activity ${name} has`, result.attempt, attempts.get(scheduledEventId));
        if (promises.has(name)) same(`the result of activity ${name}`, result.id, promises.get(name));
        missing.delete(name);
      }
      if (attributes?.$case === "workflowExecutionUpdateCompletedEventAttributes") {
        const name = `${key.workflowId} ${attributes.value.meta?.updateId}`;
        updates.set(name, (updates.get(name) ?? 0) + 1);
      }
    }
  }
  same("results that were taken and are not recorded", [...missing.keys()], []);
  for (const [id, result] of results)
    for (const updateId of result.updates)
      assert(updates.has(`${id} ${updateId}`), `update ${updateId} of ${id}, which was answered, is recorded`);
  return { runs: runs.length, events: runs.reduce((sum, { history }) => sum + history.length, 0) };
}
