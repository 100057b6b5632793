import { type Action, actionOf } from "../../src/governance/action.ts";
import { inputOfValues } from "../../src/governance/action-input.ts";
import { decide } from "../../src/governance/policy/decide.ts";
import { parsePolicy } from "../../src/governance/policy/policy.ts";
import { snapshotOf } from "../../src/governance/policy/snapshot.ts";
import { type Figure, percentile } from "../figure.ts";
import { openCedar } from "../peer/cedar.ts";
import { openOpa } from "../peer/opa.ts";
import { type Engine, type Load, policyOf, questionsOf, type RuleSet } from "../rules.ts";
import type { Scenario, Setting } from "../scenario.ts";

const sizes = [1, 100, 1_000, 10_000] as const;
const names = { topics: "by topic", labels: "without topic", conditions: "with condition" } as const;
/** What a decision may take at 1,000 rules, p99, when their topics tell which of them apply. */
const budgetUs = 5;
/** Decisions between two looks at the clock. */
const stride = 16;

/** Decisions alone, in this process: no server, no ledger. The engines take turns, so that what else runs here slows all of them. */
export const decisions: Scenario = async (setting) => {
  if (setting.address !== null) return [];
  const { quick, say } = setting;
  const peers = await peersOf(setting);
  const figures: Figure[] = [];
  for (const kind of ["topics", "labels", "conditions"] as const)
    for (const size of sizes) {
      const set = { kind, size };
      const loads = kind === "conditions" ? [holdfast] : [holdfast, ...peers];
      const sides: Side[] = [];
      for (const load of loads) sides.push({ engine: await load(set), rounds: [] });
      for (const { engine } of sides) round(engine, 50);
      for (let turn = 0; turn < (quick ? 2 : 5); turn++)
        for (const { engine, rounds } of sides) rounds.push(round(engine, quick ? 30 : 60));
      const label = `${size.toLocaleString("en")} ${size === 1 ? "rule" : "rules"} ${names[kind]}`;
      figures.push(...sides.flatMap((side) => figuresOf(label, set, side)));
      say(label);
    }
  return figures;
};

async function peersOf({ peers, folder, skipped }: Setting): Promise<readonly Load[]> {
  const loads: Load[] = [];
  const open = { cedar: openCedar, opa: () => openOpa(folder("opa")) } as const;
  for (const name of ["cedar", "opa"] as const)
    if (peers.includes(name))
      await open[name]().then(
        (load) => loads.push(load),
        (error: unknown) => skipped(name, error),
      );
  return loads;
}

const holdfast: Load = (set) => {
  const { policy, problems } = parsePolicy(policyOf(set));
  if (policy === null) throw new Error(problems.map(({ message }) => message).join("; "));
  const snapshot = snapshotOf([{ id: "bench", policy }]);
  const actions = questionsOf(set).map(
    ({ topic, env, n }, index): Action =>
      actionOf({
        topic,
        labels: new Map([
          ["env", env],
          ["n", n],
        ]),
        capability: "deploy.apply",
        workflowId: `wf-${index}`,
        input: inputOfValues([{ amount: 1_500, country: "DE" }]),
      }),
  );
  const nothing = actionOf({});
  return { name: "holdfast", decide: (index) => decide(snapshot, actions[index % actions.length] ?? nothing).effect === "ALLOW" };
};

type Round = { readonly perSecond: number; readonly p50Us: number; readonly p99Us: number };
type Side = { readonly engine: Engine; readonly rounds: Round[] };

/** So long in a row for the rate, then as long one by one for the percentiles: the clock costs about 50 ns of each. */
function round({ name, decide }: Engine, ms: number): Round {
  let index = 0;
  let allowed = 0;
  const started = performance.now();
  while (performance.now() - started < ms) for (let many = 0; many < stride; many++) if (decide(index++)) allowed++;
  const perSecond = (index / (performance.now() - started)) * 1_000;
  // An engine that answers fast because it understood nothing would win.
  if (allowed === 0) throw new Error(`${name} allowed nothing`);
  const tookUs: number[] = [];
  for (const from = performance.now(); performance.now() - from < ms; ) {
    const before = process.hrtime.bigint();
    decide(index++);
    tookUs.push(Number(process.hrtime.bigint() - before) / 1_000);
  }
  return { perSecond, p50Us: percentile(tookUs, 0.5), p99Us: percentile(tookUs, 0.99) };
}

function figuresOf(label: string, { kind, size }: RuleSet, { engine, rounds }: Side): readonly Figure[] {
  const ours = engine.name === "holdfast";
  const of = (pick: (round: Round) => number): readonly number[] => rounds.map(pick);
  return [
    { name: `${ours ? "" : `${engine.name}: `}${label}, decisions`, unit: "/s", rounds: of(({ perSecond }) => perSecond) },
    { name: "  p50", unit: "µs", rounds: of(({ p50Us }) => p50Us) },
    {
      name: "  p99",
      unit: "µs",
      rounds: of(({ p99Us }) => p99Us),
      ...(ours && kind === "topics" && size === 1_000 ? { budget: { atMost: budgetUs } } : {}),
    },
  ];
}
