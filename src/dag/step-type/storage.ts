import { mapping, name, type Place, report, word, wordsOf } from "../../language/reader.ts";
import { readTemplate, type Template } from "../expression/template.ts";
import type { StepFields } from "../spec/fields.ts";

/** Reads, writes or deletes a value in `ctx`, the memory of the run. */
export type StorageKind = {
  readonly kind: "storage";
  readonly operation: "read" | "write" | "delete";
  readonly path: readonly string[];
  readonly value: Template | null;
};

const readSettings = mapping({ operation: word(wordsOf(["read", "write", "delete"] as const)), key: name, value: readTemplate });

export function linkStorage({ input }: StepFields, at: Place): StorageKind | undefined {
  const settings = input === undefined ? undefined : readSettings(input.at);
  if (input === undefined) return report(at, "a storage step needs `input` with `operation` and `key`");
  if (settings === undefined) return undefined;
  const { operation, key, value = null } = settings;
  if (operation === undefined || key === undefined) return report(input.at, "a storage step needs `operation` and `key`");
  if ((operation === "write") !== (value !== null)) return report(input.at, "`value` is what `operation: write` writes");
  return { kind: "storage", operation, path: key.split("."), value };
}
