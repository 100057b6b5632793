import { type Figure, median, percentile } from "../figure.ts";
import { type Scenario, type Setting, serverFor } from "../scenario.ts";
import { openSdkLoad, type Round, type Shape } from "../sdk-load.ts";
import { databaseKib, startServer } from "../server.ts";
import type { StepKind } from "../worker/workflows.ts";

const shapes: readonly Shape[] = [
  { workflows: 1, steps: 100 },
  { workflows: 200, steps: 5 },
];
const kinds: readonly StepKind[] = ["regular", "local"];
/** Code that is not compiled yet costs several times as much: a server that has just started is not what these figures are about. */
const warmUpSteps = 1_000;

/** Sequential activity steps on the published SDK: worker, client and server in three processes. */
export const steps: Scenario = async (setting) => {
  const figures: Figure[] = [];
  for (const kind of kinds) for (const shape of shapes) figures.push(...(await oneLoad(setting, kind, shape)));
  return figures;
};

/** Each load has its own server, file and worker, so that CPU time and bytes are of this load alone. */
async function oneLoad(setting: Setting, kind: StepKind, shape: Shape): Promise<readonly Figure[]> {
  const { quick, folder, say } = setting;
  const own = folder("steps");
  const server = await serverFor(setting, own);
  const load = await openSdkLoad(server, own);
  let warmUps = 0;
  do await load.round(kind, shape);
  while (++warmUps * shape.workflows * shape.steps < (quick ? 0 : warmUpSteps));
  const rounds: Round[] = [];
  for (let round = 0; round < (quick ? 2 : 5); round++) rounds.push(await load.round(kind, shape));
  await load.close();
  await server.stop();

  const name = `${shape.workflows} × ${shape.steps} ${kind}`;
  const of = (pick: (round: Round) => number): readonly number[] => rounds.map(pick);
  say(`${name}: ${Math.round(median(of(({ perSecond }) => perSecond)))} steps/s`);
  const figures: Figure[] = [
    {
      name: `${name} activities, steps`,
      unit: "/s",
      rounds: of(({ perSecond }) => perSecond),
      note: `worker CPU ${median(of(({ workerCpuMs }) => workerCpuMs)).toFixed(2)} ms per step`,
    },
    { name: "  step, p50", unit: "ms", rounds: of(({ gaps }) => median(gaps)) },
    { name: "  step, p99", unit: "ms", rounds: of(({ gaps }) => percentile(gaps, 0.99)) },
  ];
  if (server.process === null) return figures;
  // Budgets are for steps of which the server sees each one.
  const budgetOf = (atMost: number): Pick<Figure, "budget"> => (kind === "regular" ? { budget: { atMost } } : {});
  const stepsInAll = (rounds.length + warmUps) * shape.workflows * shape.steps;
  const kibPerStep = (databaseKib(own) - (await emptyKib(folder("empty")))) / stepsInAll;
  return [
    ...figures,
    { name: "  server CPU per step", unit: "ms", rounds: of(({ serverCpuMs }) => serverCpuMs), ...budgetOf(0.5) },
    { name: "  disk per step", unit: "KiB", rounds: [kibPerStep], ...budgetOf(1.5), note: "file after a stop, starts and closes included" },
  ];
}

async function emptyKib(folder: string): Promise<number> {
  const { server } = await startServer(folder);
  await server.stop();
  return databaseKib(folder);
}
