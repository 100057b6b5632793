import { existsSync, readdirSync, readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

type CallFrame = {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
};
type Profile = {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const shownMax = 25;
const notWork = new Set(["(idle)", "(root)"]);

/**
 * For each profile in the folder: the functions in which the process itself spent most time, as a share of the time that it was busy.
 * A profile samples by the clock, so a function that waits for the disk counts as busy.
 */
export function profileSummary(folder: string): string {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".cpuprofile"))
    .map((name) => `${name}\n${summaryOf(JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile)}`)
    .join("\n\n");
}

function summaryOf({ nodes, samples, timeDeltas }: Profile): string {
  const maps = new Map<string, SourceMap | null>();
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame, maps)]));
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

function nameOf({ functionName, url, lineNumber, columnNumber }: CallFrame, maps: Map<string, SourceMap | null>): string {
  if (functionName.startsWith("(")) return functionName;
  const entry = mapOf(url, maps)?.findEntry(lineNumber, columnNumber);
  const place =
    entry !== undefined && "originalSource" in entry
      ? `${entry.originalSource.replace(/^(\.\.\/)+/, "")}:${entry.originalLine + 1}`
      : `${url || "native"}:${lineNumber + 1}`;
  return `${functionName || "anonymous"}  ${place}`;
}

/** The bundle's source map, which lies beside it. */
function mapOf(url: string, maps: Map<string, SourceMap | null>): SourceMap | null {
  let map = maps.get(url);
  if (map === undefined) {
    const file = url.startsWith("file:") ? `${fileURLToPath(url)}.map` : "";
    map = file !== "" && existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, "utf8"))) : null;
    maps.set(url, map);
  }
  return map;
}
