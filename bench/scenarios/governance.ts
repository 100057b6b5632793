import { type Figure, median } from "../figure.ts";
import { policyAround } from "../rules.ts";
import type { Scenario } from "../scenario.ts";
import type { Shape } from "../sdk-load.ts";
import { cpuAddedUs, inTurns, throughputLost, turnByTurn } from "../two-sides.ts";

const rules = 1_000;
const shape: Shape = { workflows: 200, steps: 5 };

/** The same steps on a server without a policy and on one that decides each of them by 1,000 rules and records it. */
export const governance: Scenario = async (setting) => {
  if (setting.address !== null) return [];
  const sides = await inTurns(setting, { name: "governance", shape, off: {}, on: { policy: policyAround("step", rules) } });
  const { off, on } = sides;
  const cpu = off.rounds.map(({ serverCpuMs }) => serverCpuMs);
  const added = turnByTurn(sides, cpuAddedUs);
  const share = (ofMs: number): string => ((100 * median(added)) / 1_000 / ofMs).toFixed(1);
  const worker = median(off.rounds.map(({ workerCpuMs }) => workerCpuMs));
  const name = `${shape.workflows} × ${shape.steps} regular`;
  const figures: Figure[] = [
    { name: `${name}, no policy, steps`, unit: "/s", rounds: off.rounds.map(({ perSecond }) => perSecond) },
    { name: "  server CPU per step", unit: "ms", rounds: cpu },
    { name: `${name}, ${rules.toLocaleString("en")} rules, steps`, unit: "/s", rounds: on.rounds.map(({ perSecond }) => perSecond) },
    { name: "  server CPU per step", unit: "ms", rounds: on.rounds.map(({ serverCpuMs }) => serverCpuMs) },
    {
      name: "cost of governance: throughput lost",
      unit: "%",
      rounds: turnByTurn(sides, throughputLost),
      budget: { atMost: 5 },
      note: "of the two rounds of a turn",
    },
    {
      name: "  server CPU added per step",
      unit: "µs",
      rounds: added,
      note: `${share(median(cpu))} % of the server's, ${share(median(cpu) + worker)} % with the worker's`,
    },
  ];
  return figures;
};
