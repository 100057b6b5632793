import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import type { Plan } from "./dag-steps/counting-sqlite.ts";
import { bundleServer, startVictim } from "./dag-steps/victim.ts";
import { inner, input, type Name, names, policy, workflows } from "./dag-steps/workflows.ts";
import { openWorld, type World } from "./dag-steps/world.ts";

// A run of each type of step for each of its commits, whose server dies by SIGKILL just before or just after that commit and is started again:
// the run ends as it does without, nothing is done twice in one attempt, and what its timeline has said stays.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
/** Of one workflow; of more places to die, some are chosen. `HOLDFAST_CRASH_KILLS=100` tries every place. */
const killsEachMax = Number(process.env.HOLDFAST_CRASH_KILLS ?? 2);

type StepRun = { readonly status: string; readonly output: unknown; readonly error: unknown; readonly attempts: number };
type Run = {
  readonly id: string;
  readonly status: string;
  readonly output: unknown;
  readonly error: unknown;
  readonly steps: { readonly [id: string]: StepRun };
  readonly compensations: readonly { readonly step_id: string; readonly status: string }[];
};
type Timeline = readonly object[];

test(`a run goes on after a kill between any two of its commits (HOLDFAST_CRASH_SEED=${seed})`, {
  timeout: 60_000 * (1 + killsEachMax),
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-steps-crash-"));
  onTestFailed(() => {
    process.stderr.write(`crash: the database and the log are in ${folder}\n`);
  });
  // There it finds the native module.
  const cache = fileURLToPath(new URL("../../node_modules/.cache/", import.meta.url));
  mkdirSync(cache, { recursive: true });
  const bundle = mkdtempSync(join(cache, "holdfast-crash-"));
  onTestFinished(() => rmSync(bundle, { recursive: true }));
  const file = await bundleServer(bundle);
  const [port, httpPort] = [await freePort(), await freePort()];
  let victim = await startVictim(file, [join(folder, "db"), String(port), String(httpPort)], join(folder, "log"));
  const restart = async (): Promise<void> => {
    victim = await startVictim(file, [join(folder, "db"), String(port), String(httpPort)], join(folder, "log"));
  };
  onTestFinished(() => victim.kill());
  const world = await openWorld(httpPort);
  onTestFinished(() => world.end());

  await world.ask("PUT", "/policy/bundles/steps", { body: { content: policy } });
  await world.ask("POST", "/policy/publish", { body: {} });
  await define(world, "inner", inner);
  for (const name of names) await define(world, name, workflows[name].replaceAll("ENDPOINT", world.endpoint));

  const begin = async (name: Name, plan: Plan): Promise<string> => {
    await victim.arm(plan);
    const key = `${name}-${plan.at}-${plan.when}`;
    return (await world.ask<{ run_id: string }>("POST", `/workflows/${name}/runs`, { body: { input }, key })).run_id;
  };

  // Without a kill first: how each ends, and how many commits that takes.
  const expected = new Map<Name, { readonly result: object; readonly effects: readonly string[]; readonly commits: number }>();
  for (const name of names) {
    const id = await begin(name, { workflow: name, at: null, when: "after" });
    const over = await followed(world, id, name);
    expected.set(name, { result: resultOf(over), effects: actionsOf(world, id), commits: victim.commits });
  }
  process.stdout.write(`crash: commits ${[...expected].map(([name, { commits }]) => `${name} ${commits}`).join(", ")}\n`);

  const random = seeded(seed);
  const runs: { readonly name: Name; readonly plan: Plan; readonly id: string; readonly over: Promise<Run> }[] = [];
  let kills = 0;
  for (const name of names)
    for (const plan of plansOf(name, expected.get(name)?.commits ?? 0, random)) {
      const dying = victim;
      const started = begin(name, plan);
      const over = started.then((id) => followed(world, id, name));
      over.catch(() => {});
      // Under way, it may take a commit less than it did without others.
      const died = await Promise.race([dying.gone.then(() => true), over.then(() => false)]);
      if (died) {
        kills++;
        await restart();
      }
      runs.push({ name, plan, id: await started, over });
    }

  for (const { name, plan, id, over } of runs) {
    const { result, effects } = expected.get(name) ?? { result: {}, effects: [] };
    const run = await over;
    const where = `${name}, killed ${plan.when} commit ${plan.at}`;
    expect(resultOf(run), where).toEqual(result);
    expect(actionsOf(world, id), where).toEqual(effects);
    checkAttempts(world, run, where);
  }
  process.stdout.write(`crash: seed ${seed}, ${kills} kills, ${runs.length} runs\n`);
  rmSync(folder, { recursive: true });
});

function define(world: World, id: string, steps: string): Promise<unknown> {
  return world.ask("POST", "/workflows", { body: `id: ${id}\nsteps:\n${steps.replace(/^/gm, "  ")}\n` });
}

/** Before and after each commit; the first has nothing of the run before it. */
function plansOf(workflow: Name, commits: number, random: ReturnType<typeof seeded>): readonly Plan[] {
  const all = Array.from({ length: commits }, (_, index) => index + 1).flatMap((at): readonly Plan[] => [
    { workflow, at, when: "before" },
    { workflow, at, when: "after" },
  ]);
  while (all.length > killsEachMax) (all as Plan[]).splice(random.between(0, all.length - 1), 1);
  return all;
}

/** Follows a run to its end, does what people do in it, and sees that its timeline only grows. */
async function followed(world: World, id: string, name: Name): Promise<Run> {
  let timeline: Timeline = [];
  for (;;) {
    const run = await world.ask<Run>("GET", `/workflow-runs/${id}`);
    const now = await world.ask<Timeline>("GET", `/workflow-runs/${id}/timeline?limit=1000`);
    expect(now.slice(0, timeline.length), `the timeline of ${name}`).toEqual(timeline);
    timeline = now;
    if (!["pending", "running", "waiting"].includes(run.status)) return run;
    const { items } = await world.ask<{ items: readonly { id: string }[] }>("GET", `/approvals?workflow_id=${id}`);
    for (const approval of items) await world.ask("POST", `/approvals/${approval.id}/approve`, { as: "grace" });
    if (run.status === "waiting" && name === "signal")
      await world.ask("POST", `/workflow-runs/${id}/signal`, { body: { name: "paid", payload: { by: "ada" } }, key: `signal-${id}` });
    if (run.status === "waiting" && name === "cancellation")
      await world.ask("POST", `/workflow-runs/${id}/cancel`, { body: { reason: "enough" } });
    await delay(40);
  }
}

/** How a run ended, without what differs from one run to the next: ids, times and how often something had to be tried. */
function resultOf({ id, status, output, error, steps, compensations }: Run): object {
  const parts = {
    status,
    output,
    error,
    steps: Object.entries(steps).map(([step, { status, output, error }]) => ({ step, status, output, error })),
    compensations: compensations.map(({ step_id, status }) => [step_id, status]),
  };
  return JSON.parse(
    JSON.stringify(parts)
      .replaceAll(id, "RUN")
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]+ GMT/g, "TIME"),
  );
}

/** What was done for a run, without how often. */
const actionsOf = (world: World, id: string): readonly string[] =>
  [...new Set(world.effectsOf(id).map((action) => action.replace(/@\d+$/, "")))].toSorted();

/** No attempt reaches a worker twice, and no more requests arrive than there were attempts. */
function checkAttempts(world: World, { id, steps }: Run, where: string): void {
  const effects = world.effectsOf(id);
  const jobs = effects.filter((action) => action.includes("@"));
  expect(new Set(jobs).size, `${where}: ${jobs}`).toBe(jobs.length);
  for (const [step, { attempts }] of Object.entries(steps))
    expect(effects.filter((action) => action === step).length, where).toBeLessThanOrEqual(attempts);
}
