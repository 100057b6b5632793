import { InvalidArgumentError } from "commander";
import { textIn } from "./text-file.ts";

/** A value on the command line: JSON, or `@file` for what a file holds, `@-` for stdin. */
export function jsonFrom(text: string): unknown {
  try {
    return JSON.parse(text.startsWith("@") ? textIn(text.slice(1)) : text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new InvalidArgumentError("expected JSON, or @file");
    throw error;
  }
}
