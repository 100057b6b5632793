// `npm run bench`: measures a server as its users meet it, and prints each figure beside its budget. README.md explains the figures.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { type Figure, median, tableOf } from "./figure.ts";
import { type Options, readOptions, type ScenarioName, UsageError, usage } from "./options.ts";
import { benchRestate } from "./peer/restate.ts";
import { profileSummary } from "./profile.ts";
import type { Scenario } from "./scenario.ts";
import { access } from "./scenarios/access.ts";
import { approvals } from "./scenarios/approvals.ts";
import { dag } from "./scenarios/dag.ts";
import { decisions } from "./scenarios/decisions.ts";
import { encryption } from "./scenarios/encryption.ts";
import { governance } from "./scenarios/governance.ts";
import { isolation } from "./scenarios/isolation.ts";
import { ledger } from "./scenarios/ledger.ts";
import { receive } from "./scenarios/receive.ts";
import { sleeping } from "./scenarios/sleeping.ts";
import { startUp } from "./scenarios/start-up.ts";
import { starts } from "./scenarios/starts.ts";
import { steps } from "./scenarios/steps.ts";

const scenarios: { readonly [N in ScenarioName]: Scenario } = {
  "start-up": startUp,
  starts,
  receive,
  steps,
  decisions,
  ledger,
  governance,
  approvals,
  dag,
  encryption,
  isolation,
  access,
  sleeping,
};

async function main(options: Options): Promise<void> {
  const cpuProf = options.cpuProf === null ? null : resolve(options.cpuProf);
  if (cpuProf !== null) mkdirSync(cpuProf, { recursive: true });
  const root = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  const figures: Figure[] = [];
  const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);
  const folder = (name: string): string => mkdtempSync(join(root, `${name}-`));
  const notMeasured: string[] = [];
  const skipped = (what: string, why: unknown): void => {
    notMeasured.push(`${what}: not measured: ${why instanceof Error ? why.message : String(why)}`);
    say(notMeasured.at(-1) ?? "");
  };
  const { address, quick, peers } = options;
  try {
    for (const name of options.only) {
      say(name);
      figures.push(...(await scenarios[name]({ address, quick, cpuProf, peers, folder, say, skipped })));
    }
    if (peers.includes("restate")) {
      say("restate");
      figures.push(...(await benchRestate({ quick, folder: folder("restate"), say, skipped })));
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  process.stdout.write(`${options.json ? json(figures, notMeasured) : [machine(), "", tableOf(figures), ...notMeasured].join("\n")}\n`);
  if (cpuProf !== null && existsSync(cpuProf)) process.stdout.write(`\n${profileSummary(cpuProf)}\n`);
}

const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model.trim() || "unnamed processor"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node.js ${process.versions.node}, ${process.platform}`;

const json = (figures: readonly Figure[], notMeasured: readonly string[]): string =>
  JSON.stringify(
    { machine: machine(), figures: figures.map((figure) => ({ ...figure, median: median(figure.rounds) })), notMeasured },
    null,
    2,
  );

try {
  await main(readOptions(process.argv.slice(2)));
  process.exit(0);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${usage}\n`);
  process.exit(2);
}
