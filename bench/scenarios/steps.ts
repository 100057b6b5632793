import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { type Figure, median, percentile } from "../figure.ts";
import { type Child, cpuMs, messageFrom, startScript } from "../process.ts";
import { type Scenario, type Setting, serverFor } from "../scenario.ts";
import { databaseKib, type Server, startServer } from "../server.ts";
import type { StepKind, sequence } from "../worker/workflows.ts";

type Shape = { readonly workflows: number; readonly steps: number };

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
  const taskQueue = `steps-${randomUUID()}`;
  const worker = startScript(new URL("../worker/worker.ts", import.meta.url), [server.address, taskQueue], join(own, "worker.log"));
  await messageFrom(worker);
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection });
  const run = () => oneRound({ client, server, worker, taskQueue, kind, shape });

  let warmUps = 0;
  do await run();
  while (++warmUps * shape.workflows * shape.steps < (quick ? 0 : warmUpSteps));
  const rounds: Round[] = [];
  for (let round = 0; round < (quick ? 2 : 5); round++) rounds.push(await run());
  await connection.close();
  await worker.kill();
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

type Round = {
  readonly perSecond: number;
  readonly gaps: readonly number[];
  /** Per step. */
  readonly serverCpuMs: number;
  readonly workerCpuMs: number;
};

async function oneRound(load: {
  readonly client: Client;
  readonly server: Server;
  readonly worker: Child;
  readonly taskQueue: string;
  readonly kind: StepKind;
  readonly shape: Shape;
}): Promise<Round> {
  const { client, server, worker, taskQueue, kind, shape } = load;
  const pids = [server.process?.pid, worker.pid];
  const cpu = () => pids.map((pid) => (pid === undefined ? Number.NaN : cpuMs(pid)));
  const before = cpu();
  const begin = performance.now();
  const args: Parameters<typeof sequence> = [kind, shape.steps];
  await Promise.all(
    Array.from({ length: shape.workflows }, () =>
      client.workflow.execute<typeof sequence>("sequence", { taskQueue, workflowId: randomUUID(), args }),
    ),
  );
  const seconds = (performance.now() - begin) / 1000;
  const after = cpu();
  const count = shape.workflows * shape.steps;
  const [serverCpuMs = Number.NaN, workerCpuMs = Number.NaN] = after.map((ms, index) => (ms - (before[index] ?? Number.NaN)) / count);
  worker.process.send("gaps");
  return { perSecond: count / seconds, gaps: await messageFrom<number[]>(worker), serverCpuMs, workerCpuMs };
}

async function emptyKib(folder: string): Promise<number> {
  const { server } = await startServer(folder);
  await server.stop();
  return databaseKib(folder);
}
