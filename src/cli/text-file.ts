import { readFileSync } from "node:fs";
import { UsageError } from "./context.ts";

export function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError([`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** Of a file, or of stdin when it is called `-`. */
export const textIn = (file: string): string => (file === "-" ? readFileSync(0, "utf8") : textOf(file));
