import { type Figure, median } from "../figure.ts";
import { policyAround } from "../rules.ts";
import type { Scenario, Setting } from "../scenario.ts";
import { openSdkLoad, type Round, type SdkLoad, type Shape } from "../sdk-load.ts";
import { type Server, startServer } from "../server.ts";

const rules = 1_000;
const shape: Shape = { workflows: 200, steps: 5 };

/**
 * The same steps on a server without a policy and on one that decides each of them by 1,000 rules and records it. Both run all the time and
 * take turns, so that what else the machine does meets both; what is compared is the two rounds of a turn.
 */
export const governance: Scenario = async (setting) => {
  if (setting.address !== null) return [];
  const { quick, say } = setting;
  const off = await openSide(setting);
  const on = await openSide(setting, policyAround("step", rules));
  for (const { load } of [off, on]) for (let warmUp = 0; warmUp < (quick ? 1 : 2); warmUp++) await load.round("regular", shape);
  for (let turn = 0; turn < (quick ? 4 : 10); turn++) {
    // Whoever is second in a turn finds the machine as the first has left it.
    for (const { load, rounds } of turn % 2 === 0 ? [off, on] : [on, off]) rounds.push(await load.round("regular", shape));
    say(`${[off, on].map(({ rounds }) => Math.round(rounds.at(-1)?.perSecond ?? Number.NaN)).join(" steps/s without, with a policy ")}`);
  }
  for (const { load, server } of [off, on]) {
    await load.close();
    await server.stop();
  }

  const each = (pick: (round: Round) => number) => [off, on].map(({ rounds }) => rounds.map(pick)) as [number[], number[]];
  const [rateOff, rateOn] = each(({ perSecond }) => perSecond);
  const [cpuOff, cpuOn] = each(({ serverCpuMs }) => serverCpuMs);
  const pairs = <T>(pick: (turn: number) => T): readonly T[] => off.rounds.map((_, turn) => pick(turn));
  const lost = pairs((turn) => 100 * (1 - (rateOn[turn] ?? Number.NaN) / (rateOff[turn] ?? Number.NaN)));
  const added = pairs((turn) => ((cpuOn[turn] ?? Number.NaN) - (cpuOff[turn] ?? Number.NaN)) * 1_000);
  const share = (ofMs: number): string => ((100 * median(added)) / 1_000 / ofMs).toFixed(1);
  const worker = median(off.rounds.map(({ workerCpuMs }) => workerCpuMs));
  const name = `${shape.workflows} × ${shape.steps} regular`;
  const figures: Figure[] = [
    { name: `${name}, no policy, steps`, unit: "/s", rounds: rateOff },
    { name: "  server CPU per step", unit: "ms", rounds: cpuOff },
    { name: `${name}, ${rules.toLocaleString("en")} rules, steps`, unit: "/s", rounds: rateOn },
    { name: "  server CPU per step", unit: "ms", rounds: cpuOn },
    { name: "cost of governance: throughput lost", unit: "%", rounds: lost, budget: { atMost: 5 }, note: "of the two rounds of a turn" },
    {
      name: "  server CPU added per step",
      unit: "µs",
      rounds: added,
      note: `${share(median(cpuOff))} % of the server's, ${share(median(cpuOff) + worker)} % with the worker's`,
    },
  ];
  return figures;
};

type Side = { readonly server: Server; readonly load: SdkLoad; readonly rounds: Round[] };

async function openSide({ folder, cpuProf }: Setting, policy?: string): Promise<Side> {
  const own = folder("governance");
  const { server } = await startServer(own, { cpuProf, ...(policy === undefined ? {} : { policy }) });
  return { server, load: await openSdkLoad(server, own), rounds: [] };
}
