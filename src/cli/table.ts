/** Columns as wide as their widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = rows.map((row) => row.map(oneLine));
  const widths = header.map((title, column) => Math.max(title.length, ...lines.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(header), ...lines.map(line)].join("\n");
}

/** A text that others wrote, fit for a line of a terminal: no line breaks, and nothing that would move the cursor or turn the writing round. */
export const oneLine = (text: string): string => text.replace(/\s+/gu, " ").replace(/[\p{Cc}\p{Bidi_Control}]/gu, "\ufffd");

/** A text of several lines without control characters: they stand as JSON writes them, which leaves most of them as they are. */
export const printable = (text: string): string =>
  text.replace(/\r(?!\n)|[^\r\n\t\P{Cc}]/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`);
