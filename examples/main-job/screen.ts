// Plain lines for a plain terminal. Colour only where a person looks, and never where NO_COLOR asks for none.
const coloured = process.stdout.isTTY === true && !process.env.NO_COLOR;
const paint = (code: number) => (text: string) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);

export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);

// A reader that went away (`npm start | head`) ends the job.
process.stdout.on("error", () => process.exit(1));

export const say = (line = ""): void => void process.stdout.write(`${line}\n`);

export type Timeline = (actor: string, text: string) => void;

/** Prints what happened and when, in seconds since the timeline began. */
export function startTimeline(): Timeline {
  const startedAt = performance.now();
  return (actor, text) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(5);
    say(`  ${dim(`${seconds} s`)}  ${actor.padEnd(9)} ${text}`);
  };
}

/** Columns as wide as their widest cell; columns named in `right` are aligned like numbers. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>, right: readonly string[] = []): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (right.includes(head[column] ?? "") ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [dim(line(head)), ...rows.map(line)].map((text) => `  ${text}`).join("\n");
}

/** `1 order`, `3 orders`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** The first few, and how many more there are. */
export const listed = (items: readonly string[], itemsMax = 6): string =>
  items.length <= itemsMax ? items.join(", ") : `${items.slice(0, itemsMax).join(", ")} and ${items.length - itemsMax} more`;
