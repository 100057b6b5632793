// What a scenario measures, and how the table shows it.

export type Unit = "/s" | "µs" | "ms" | "s" | "KiB" | "MiB" | "%" | "×";

/** What a figure should be; the budgets of the whole server are in docs/performance.md. */
export type Budget = { readonly atMost: number } | { readonly atLeast: number };

export type Figure = {
  readonly name: string;
  readonly unit: Unit;
  /** One value per measured round, in the order measured. Never empty. */
  readonly rounds: readonly number[];
  readonly budget?: Budget;
  /** What a reader must know to read the number. */
  readonly note?: string;
};

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (low + high) / 2;
}

/** How much of the budget is used: under 1 is within it, whichever way it is meant. */
export function budgetUsed({ rounds, budget }: Figure): number | null {
  if (budget === undefined) return null;
  return "atMost" in budget ? median(rounds) / budget.atMost : budget.atLeast / median(rounds);
}

const columns = ["figure", "median", "budget", "of budget", "lowest – highest", ""] as const;

/** All figures as lines of text with aligned columns. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure): readonly string[] => {
    const { name, unit, rounds, budget, note } = figure;
    const used = budgetUsed(figure);
    return [
      name,
      withUnit(median(rounds), unit),
      budget === undefined ? "" : "atMost" in budget ? `≤ ${withUnit(budget.atMost, unit)}` : `≥ ${withUnit(budget.atLeast, unit)}`,
      used === null ? "" : `${used.toFixed(2)}${used > 1 ? " over" : ""}`,
      rounds.length > 1 ? `${number(Math.min(...rounds))} – ${number(Math.max(...rounds))} (${rounds.length})` : "",
      note ?? "",
    ];
  });
  const widths = columns.map((title, index) => Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(columns), line(widths.slice(0, -1).map((width) => "─".repeat(width))), ...rows.map(line)].join("\n");
}

const withUnit = (value: number, unit: Unit): string => (unit === "/s" ? `${number(value)}/s` : `${number(value)} ${unit}`);

/** Three significant digits: more would be noise. */
function number(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
