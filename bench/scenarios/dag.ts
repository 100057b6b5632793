import { type DagLoad, openDagLoad, type StartRound } from "../dag-load.ts";
import { type Figure, median, percentile } from "../figure.ts";
import { connectRaw, inFlight } from "../grpc.ts";
import { connectHttp } from "../http.ts";
import { peakMib, settledMib, until } from "../process.ts";
import { countWorkflows, namespace } from "../rpcs.ts";
import { policyAround } from "../rules.ts";
import type { Scenario, Setting } from "../scenario.ts";
import type { Round, Shape } from "../sdk-load.ts";
import { type Server, startServer } from "../server.ts";

const rules = 1_000;
const shape: Shape = { workflows: 200, steps: 5 };
const items = 10_000;
const waitingRuns = 20_000;
const waitingMsMax = 90_000;
/** Garbage of the load is given back to the system within this time. */
const settleMsMax = 30_000;

/** Declarative workflows on a server without a policy and on one with 1,000 rules, in turn; then one step for each of 10,000 items, and runs that wait. */
export const dag: Scenario = async (setting) => {
  if (setting.address !== null) return [];
  return [...(await inTurn(setting)), ...(await forEach(setting)), ...(await waiting(setting))];
};

async function inTurn(setting: Setting): Promise<readonly Figure[]> {
  const { quick, say } = setting;
  const seconds = quick ? 1 : 3;
  const sides = [
    await openSide(setting, "no policy"),
    await openSide(setting, `${rules.toLocaleString("en")} rules`, policyAround("step", rules)),
  ];
  for (const { load } of sides) await load.steps(shape);
  for (let turn = 0; turn < (quick ? 2 : 5); turn++)
    // Whoever is second in a turn finds the machine as the first has left it.
    for (const { name, load, steps } of turn % 2 === 0 ? sides : sides.toReversed()) {
      const round = await load.steps(shape);
      steps.push(round);
      say(`${Math.round(round.perSecond)} steps/s, ${name}`);
    }
  // Last, since what these start stays open.
  for (const { load } of sides) await load.starts(seconds / 2);
  for (let turn = 0; turn < (quick ? 2 : 5); turn++)
    for (const { name, load, starts } of turn % 2 === 0 ? sides : sides.toReversed()) {
      const round = await load.starts(seconds);
      starts.push(round);
      say(`${Math.round(round.perSecond)} starts/s, ${name}`);
    }
  for (const { load, server } of sides) {
    await load.close();
    await server.stop();
  }
  return sides.flatMap(figuresOf);
}

function figuresOf({ name, steps, starts }: Side): readonly Figure[] {
  const worker = median(steps.map(({ workerCpuMs }) => workerCpuMs));
  return [
    {
      name: `declarative, ${shape.workflows} × ${shape.steps}, ${name}, steps`,
      unit: "/s",
      rounds: steps.map(({ perSecond }) => perSecond),
      note: `worker CPU ${worker.toFixed(2)} ms per step`,
    },
    { name: "  step, p50", unit: "ms", rounds: steps.map(({ gaps }) => median(gaps)) },
    { name: "  step, p99", unit: "ms", rounds: steps.map(({ gaps }) => percentile(gaps, 0.99)) },
    { name: "  server CPU per step", unit: "ms", rounds: steps.map(({ serverCpuMs }) => serverCpuMs) },
    {
      name: `declarative, ${name}, run starts over HTTP`,
      unit: "/s",
      rounds: starts.map(({ perSecond }) => perSecond),
      note: "64 in flight; each run's first step is scheduled too",
    },
    { name: "  p50 at that rate", unit: "ms", rounds: starts.map(({ latencies }) => median(latencies)) },
    { name: "  p99 at that rate", unit: "ms", rounds: starts.map(({ latencies }) => percentile(latencies, 0.99)) },
    { name: "  server CPU each", unit: "ms", rounds: starts.map(({ serverCpuMs }) => serverCpuMs) },
  ];
}

/** On a server of its own, so that its peak of memory is this run's. */
async function forEach({ cpuProf, folder, quick, say }: Setting): Promise<readonly Figure[]> {
  const own = folder("for-each");
  const { server } = await startServer(own, { cpuProf, http: true });
  const load = await openDagLoad(server, own);
  const count = quick ? items / 10 : items;
  const seconds = await load.forEach(count);
  const peak = server.process === null ? Number.NaN : peakMib(server.process.pid);
  say(`for_each of ${count} items: ${seconds.toFixed(1)} s, at most ${Math.round(peak)} MiB`);
  await load.close();
  await server.stop();
  return [
    { name: `for_each of ${count.toLocaleString("en")} items`, unit: "s", rounds: [seconds], note: "50 at once" },
    { name: "  highest resident memory", unit: "MiB", rounds: [peak] },
  ];
}

/** Runs that wait for an approval: what they hold in memory while they are opened, and once the server has been killed among them. */
async function waiting({ cpuProf, folder, quick, say }: Setting): Promise<readonly Figure[]> {
  const own = folder("waiting");
  const { server } = await startServer(own, { cpuProf, http: true });
  const http = connectHttp(server.httpAddress ?? "");
  await http.post("/workflows", { id: "asks", steps: { gate: { type: "approval" } } });
  const idle = await settledMib(server.process?.pid ?? 0, settleMsMax);
  const wanted = quick ? waitingRuns / 10 : waitingRuns;
  const count = await inFlight({
    count: wanted,
    atOnce: 64,
    deadline: performance.now() + waitingMsMax,
    work: async () => void (await http.post("/workflows/asks/runs", { input: {} })),
  });
  const client = connectRaw(server.address);
  await until(
    async () => {
      const { count: there } = await client.call(countWorkflows, { namespace, query: 'HoldfastRunStatus = "waiting"' });
      if (there !== count) throw new Error(`${there} of ${count} runs wait`);
    },
    { everyMs: 200, waitMs: waitingMsMax },
  );
  client.close();
  const open = await settledMib(server.process?.pid ?? 0, settleMsMax);
  http.close();
  await server.process?.kill();

  const { server: next } = await startServer(own, { http: true });
  const again = connectHttp(next.httpAddress ?? "");
  // The API is loaded with the first request, as it was before.
  await again.post("/workflows", { id: "asks", steps: { gate: { type: "approval" } } });
  const after = await settledMib(next.process?.pid ?? 0, settleMsMax);
  again.close();
  await next.stop();
  const name = `${count.toLocaleString("en")} runs that wait for approval`;
  say(`${name}: ${Math.round(idle)} MiB before, ${Math.round(open)} when they were there, ${Math.round(after)} after a restart`);
  return [
    { name: `resident memory, ${name}`, unit: "MiB", rounds: [open], note: `${Math.round(idle)} MiB before them` },
    { name: "  after kill -9 and recovery", unit: "MiB", rounds: [after] },
    {
      name: "  each, beyond an empty server",
      unit: "KiB",
      rounds: [(1024 * (after - idle)) / count],
      // Two idle servers differ by a mebibyte or two: of few runs, each would seem to hold some.
      ...(quick ? {} : { budget: { atMost: 0.5 } }),
    },
  ];
}

type Side = {
  readonly name: string;
  readonly server: Server;
  readonly load: DagLoad;
  readonly steps: Round[];
  readonly starts: StartRound[];
};

async function openSide({ folder, cpuProf }: Setting, name: string, policy?: string): Promise<Side> {
  const own = folder("dag");
  const { server } = await startServer(own, { cpuProf, http: true, ...(policy === undefined ? {} : { policy }) });
  return { name, server, load: await openDagLoad(server, own), steps: [], starts: [] };
}
