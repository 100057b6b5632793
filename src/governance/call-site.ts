import { err, ok, type Result } from "../base/result.ts";
import type { Payload } from "../protocol/generated/temporal/api/common/v1/message.ts";

/** Header of a command or request in which its caller says what the action means. `@holdfast/sdk` writes it. */
export const actionHeader = "holdfast-action";

/** What the code that asks for an action says of it. Texts that were not said are empty. */
export type CallSite = {
  readonly topic: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly capability: string;
  readonly riskTags: readonly string[];
  readonly requires: readonly string[];
  readonly packId: string;
  /** The program for which it asks; empty for whoever started the workflow. */
  readonly actor: string;
};

const version = 1;
const headerBytesMax = 16 * 1024;
const labelsMax = 64;
const listedMax = 64;
const textLettersMax = 1024;

/**
 * Reads the header: JSON as `{"v": 1, "topic", "labels", "capability", "risk_tags", "requires", "pack_id", "actor", "idempotency_key"}`, all
 * but `v` optional. Anything else is refused with the sentence that says why: what is not understood may be what a rule is about.
 */
export function readCallSite({ metadata, data }: Pick<Payload, "metadata" | "data">): Result<CallSite, string> {
  if (data.length > headerBytesMax) return refused(`has ${data.length} bytes, and at most ${headerBytesMax} are read`);
  const encoding = new TextDecoder().decode(metadata.encoding);
  if (encoding !== "json/plain") return refused(`is no JSON, it is encoded as \`${encoding}\``);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    return refused("says to be JSON and is not");
  }
  if (!isObject(value)) return refused("is no JSON object");
  if (value.v !== version) return refused(`has another version than ${version}`);
  for (const [field, inner] of Object.entries(value)) {
    const problem = Object.hasOwn(fields, field) ? fields[field as keyof typeof fields](inner) : "is not known";
    if (problem !== null) return refused(`cannot be read: \`${field.slice(0, 64)}\` ${problem}`);
  }
  // Each field has just been found to have this form.
  const said = value as Said;
  return ok({
    topic: said.topic?.trim() ?? "",
    labels: new Map(Object.entries(said.labels ?? {})),
    capability: said.capability ?? "",
    riskTags: said.risk_tags ?? [],
    requires: said.requires ?? [],
    packId: said.pack_id ?? "",
    actor: said.actor ?? "",
  });
}

type Said = {
  readonly topic?: string;
  readonly labels?: { readonly [name: string]: string };
  readonly capability?: string;
  readonly risk_tags?: readonly string[];
  readonly requires?: readonly string[];
  readonly pack_id?: string;
  readonly actor?: string;
  /** For the worker, which hands it to whoever it calls. */
  readonly idempotency_key?: string;
};

type Check = (value: unknown) => string | null;

const text: Check = (value) => {
  if (typeof value !== "string") return "is no text";
  return value.length > textLettersMax ? `is longer than ${textLettersMax} letters` : null;
};

const texts: Check = (value) => {
  if (!Array.isArray(value)) return "is no list";
  if (value.length > listedMax) return `has more than ${listedMax} entries`;
  const at = value.findIndex((item) => text(item) !== null);
  return at < 0 ? null : `has an entry that ${text(value[at])}`;
};

const textsByName: Check = (value) => {
  if (!isObject(value)) return "is no object";
  const entries = Object.entries(value);
  if (entries.length > labelsMax) return `has more than ${labelsMax} entries`;
  const wrong = entries.find(([name, inner]) => name === "" || text(name) !== null || text(inner) !== null);
  return wrong === undefined ? null : `has an entry \`${wrong[0].slice(0, 64)}\` that ${text(wrong[1]) ?? "has no name or too long a one"}`;
};

const fields: { readonly [F in keyof Required<Said> | "v"]: Check } = {
  v: () => null,
  topic: text,
  labels: textsByName,
  capability: text,
  risk_tags: texts,
  requires: texts,
  pack_id: text,
  actor: text,
  idempotency_key: text,
};

const refused = (why: string) => err(`the header \`${actionHeader}\` ${why}`);

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
