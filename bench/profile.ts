import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

type Profile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const shownMax = 25;
const notWork = new Set(["(idle)", "(root)"]);

/** For each profile in the folder: the functions in which the process itself spent most time, as a share of the time that it was busy. */
export function profileSummary(folder: string): string {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".cpuprofile"))
    .map((name) => `${name}\n${summaryOf(JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile)}`)
    .join("\n\n");
}

function summaryOf({ nodes, samples, timeDeltas }: Profile): string {
  const names = new Map(nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [id, nameOf(functionName, url, lineNumber)]));
  const selfUs = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? "";
    selfUs.set(name, (selfUs.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  for (const name of notWork) selfUs.delete(name);
  const busyUs = [...selfUs.values()].reduce((sum, us) => sum + us, 0);
  return [...selfUs]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, shownMax)
    .map(([name, us]) => `${((100 * us) / busyUs).toFixed(1).padStart(6)} %  ${name}`)
    .join("\n");
}

function nameOf(functionName: string, url: string, lineNumber: number): string {
  if (functionName.startsWith("(")) return functionName;
  const place = url === "" ? "native" : `${basename(url)}:${lineNumber + 1}`;
  return `${functionName || "anonymous"}  ${place}`;
}
