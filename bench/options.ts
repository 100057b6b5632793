import { parseArgs } from "node:util";

/** Each scenario by the name that `--only` takes. */
export const scenarioNames = ["start-up", "starts", "receive", "steps", "sleeping"] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export type Options = {
  readonly only: readonly ScenarioName[];
  /** Another server to load, whose processes and files are then not ours to look at. */
  readonly address: string | null;
  readonly json: boolean;
  /** Fewer rounds and runs: minutes become seconds, and figures rougher. */
  readonly quick: boolean;
  readonly peer: "restate" | null;
  /** Folder for CPU profiles of the server; their functions with most self time are printed. */
  readonly cpuProf: string | null;
};

export const usage = `npm run bench -- [options]
  --only NAME,…          ${scenarioNames.join(", ")}
  --address HOST:PORT    load that Temporal-compatible server; figures of its process are left out
  --peer restate         run the steps on Restate as well (installed on demand)
  --cpu-prof FOLDER      write CPU profiles of the server there, and print where its time goes
  --quick                fewer rounds, smaller loads
  --json                 print JSON`;

export class UsageError extends Error {}

export function readOptions(args: readonly string[]): Options {
  const { values } = parsed(args);
  const only = values.only === undefined ? scenarioNames : values.only.split(",").map(scenarioNamed);
  if (values.peer !== undefined && values.peer !== "restate")
    throw new UsageError(`--peer: \`${values.peer}\` is not known, only \`restate\``);
  return {
    only,
    address: values.address ?? null,
    json: values.json ?? false,
    quick: values.quick ?? false,
    peer: values.peer ?? null,
    cpuProf: values["cpu-prof"] ?? null,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: "string" },
        address: { type: "string" },
        peer: { type: "string" },
        "cpu-prof": { type: "string" },
        quick: { type: "boolean" },
        json: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function scenarioNamed(name: string): ScenarioName {
  const found = scenarioNames.find((known) => known === name);
  if (found === undefined) throw new UsageError(`--only: \`${name}\` is not known; there are ${scenarioNames.join(", ")}`);
  return found;
}
