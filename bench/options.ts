import { parseArgs } from "node:util";

/** Each scenario by the name that `--only` takes. */
export const scenarioNames = [
  "start-up",
  "starts",
  "receive",
  "steps",
  "decisions",
  "ledger",
  "governance",
  "approvals",
  "dag",
  "encryption",
  "isolation",
  "access",
  "sleeping",
] as const;
export type ScenarioName = (typeof scenarioNames)[number];

/** Each peer by the name that `--peer` takes. */
export const peerNames = ["restate", "cedar", "opa"] as const;
export type PeerName = (typeof peerNames)[number];

export type Options = {
  readonly only: readonly ScenarioName[];
  /** Another server to load, whose processes and files are then not ours to look at. */
  readonly address: string | null;
  readonly json: boolean;
  /** Fewer rounds and runs: minutes become seconds, and figures rougher. */
  readonly quick: boolean;
  readonly peers: readonly PeerName[];
  /** Folder for CPU profiles of the server; their functions with most self time are printed. */
  readonly cpuProf: string | null;
};

export const usage = `npm run bench -- [options]
  --only NAME,…          ${scenarioNames.join(", ")}
  --address HOST:PORT    load that Temporal-compatible server; figures of its process are left out
  --peer NAME,…          beside it, restate: the steps (installed on demand); cedar, opa: the decisions
  --cpu-prof FOLDER      write CPU profiles of the server there, and print where its time goes
  --quick                fewer rounds, smaller loads
  --json                 print JSON`;

export class UsageError extends Error {}

export function readOptions(args: readonly string[]): Options {
  const { values } = parsed(args);
  return {
    only: listed("only", values.only, scenarioNames) ?? scenarioNames,
    address: values.address ?? null,
    json: values.json ?? false,
    quick: values.quick ?? false,
    peers: listed("peer", values.peer, peerNames) ?? [],
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

function listed<N extends string>(flag: string, value: string | undefined, names: readonly N[]): readonly N[] | undefined {
  return value?.split(",").map((text) => {
    const found = names.find((name) => name === text);
    if (found === undefined) throw new UsageError(`--${flag}: \`${text}\` is not known; there are ${names.join(", ")}`);
    return found;
  });
}
