import { parseGoDuration } from "./go-duration.ts";
import type { DurationMs } from "./time.ts";
import { dayMs, hourMs, minuteMs, secondMs } from "./time.ts";

const bytesPerUnit = new Map([
  ["B", 1],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
]);

/** Whole milliseconds above zero, from a number of milliseconds or text such as `1m30s` and `3d`. Undefined when it is neither. */
export function parseDuration(value: unknown): DurationMs | undefined {
  if (typeof value === "number") return positiveInteger(value);
  if (typeof value !== "string") return undefined;
  const ns = parseGoDuration(value.trim(), { days: true });
  return ns === null ? undefined : positiveInteger(ns / 1e6);
}

/** Bytes above zero, from a number or text such as `512KiB`. Undefined when it is neither. */
export function parseBytes(value: unknown): number | undefined {
  if (typeof value === "number") return positiveInteger(value);
  if (typeof value !== "string") return undefined;
  const [, amount = "", unit = "B"] = /^(\d+(?:\.\d+)?) ?([KMG]iB|B)?$/.exec(value.trim()) ?? [];
  const scale = bytesPerUnit.get(unit);
  return amount === "" || scale === undefined ? undefined : positiveInteger(Number(amount) * scale);
}

/** A count above zero, from a number or its digits. */
export function parseCount(value: unknown): number | undefined {
  if (typeof value === "string" && /^\d+$/.test(value.trim())) return positiveInteger(Number(value));
  return typeof value === "number" ? positiveInteger(value) : undefined;
}

const positiveInteger = (value: number): number | undefined => (Number.isSafeInteger(value) && value > 0 ? value : undefined);

const largest = (value: number, units: readonly (readonly [name: string, size: number])[]): string => {
  const [name, size] = units.find(([, unitSize]) => value >= unitSize && value % unitSize === 0) ?? ["", 1];
  return `${value / size}${name}`;
};

/** What `parseDuration` reads back, in the largest unit that leaves a whole number. */
export const formatDuration = (ms: DurationMs): string =>
  largest(ms, [
    ["d", dayMs],
    ["h", hourMs],
    ["m", minuteMs],
    ["s", secondMs],
    ["ms", 1],
  ]);

/** What `parseBytes` reads back, in the largest unit that leaves a whole number. */
export const formatBytes = (bytes: number): string =>
  largest(bytes, [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
    ["B", 1],
  ]);

/** For people, to two digits or so: `35s`, `1h 5m`, `12d`. Does not read back. */
export function roughDuration(ms: DurationMs): string {
  const units = [
    ["d", dayMs],
    ["h", hourMs],
    ["m", minuteMs],
    ["s", secondMs],
  ] as const;
  const index = units.findIndex(([, unit]) => ms >= unit);
  const [largestUnit, next] = [units[index], units[index + 1]];
  if (largestUnit === undefined) return `${Math.max(0, Math.round(ms))}ms`;
  const count = Math.floor(ms / largestUnit[1]);
  const rest = next === undefined || count >= 10 ? 0 : Math.floor((ms % largestUnit[1]) / next[1]);
  return `${count}${largestUnit[0]}${next === undefined || rest === 0 ? "" : ` ${rest}${next[0]}`}`;
}

/** The same for sizes: `1.5 GiB`. */
export function roughBytes(bytes: number): string {
  const [name, unit] = (
    [
      ["TiB", 2 ** 40],
      ["GiB", 2 ** 30],
      ["MiB", 2 ** 20],
      ["KiB", 2 ** 10],
    ] as const
  ).find(([, of]) => bytes >= of) ?? ["B", 1];
  return `${Number((bytes / unit).toPrecision(3))} ${name}`;
}
