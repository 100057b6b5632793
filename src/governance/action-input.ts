import { createHash } from "node:crypto";
import { canonicalJson } from "../base/canonical-json.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";

type Payload = Payloads["payloads"][number];

/** What an action is given. Nothing is decoded before a rule looks into it, and then once. */
export type ActionInput = {
  /** SHA-256 over the bytes and their metadata, as hexadecimal. Stays the same while the input does, readable or not. */
  digest(): string;
  /** The arguments as JSON values, or the sentence that says why they cannot be read. */
  args(): Result<readonly unknown[], string>;
  /** How large the arguments are, for bounding what an expression over them may cost; zeros when they cannot be read. */
  size(): InputSize;
};

/** `items` is the length of the longest list or mapping, `letters` that of the longest text. */
export type InputSize = { readonly items: number; readonly letters: number };

/** Longer inputs are not looked into: a rule that asks for them denies. */
const inspectedBytesMax = 1024 * 1024;

/** Input as a worker sent it. JSON and null can be read; anything else (protobuf, encrypted) is opaque. */
export function inputOfPayloads(payloads: Payloads | undefined): ActionInput {
  const items = payloads?.payloads ?? [];
  const digest = once(() => digestOf(items));
  const args = once(() => decoded(items));
  return {
    digest,
    args,
    size: once(() => {
      const read = args();
      return read.ok ? sizeOf(read.value) : { items: 0, letters: 0 };
    }),
  };
}

const utf8 = new TextEncoder();

/** Input written by a person as JSON values: what `inputOfPayloads` gives for these, encoded as `json/plain` with sorted keys. */
export const inputOfValues = (args: readonly unknown[], encoding = "json/plain"): ActionInput =>
  inputOfPayloads({
    payloads: args.map((value) => ({
      metadata: { encoding: utf8.encode(encoding) },
      data: utf8.encode(canonicalJson(value)),
      externalPayloads: [],
    })),
  });

export const noInput: ActionInput = inputOfPayloads(undefined);

function once<T>(compute: () => T): () => T {
  let computed: { readonly value: T } | undefined;
  return () => {
    computed ??= { value: compute() };
    return computed.value;
  };
}

/** Every part is preceded by its length, so that no two inputs give the same bytes. */
function digestOf(payloads: readonly Payload[]): string {
  const hash = createHash("sha256");
  const add = (bytes: Uint8Array): void => {
    hash.update(`${bytes.length}:`).update(bytes);
  };
  for (const { metadata, data } of payloads) {
    const names = Object.keys(metadata).sort();
    hash.update(`payload ${names.length} `);
    for (const name of names) {
      add(utf8.encode(name));
      add(metadata[name] ?? new Uint8Array(0));
    }
    add(data);
  }
  return hash.digest("hex");
}

function decoded(payloads: readonly Payload[]): Result<readonly unknown[], string> {
  const text = new TextDecoder("utf-8", { fatal: true });
  const bytes = payloads.reduce((sum, { data }) => sum + data.length, 0);
  if (bytes > inspectedBytesMax) return err(`the input has ${bytes} bytes, and rules look into at most ${inspectedBytesMax}`);
  const values: unknown[] = [];
  for (const { metadata, data } of payloads) {
    const encoding = new TextDecoder().decode(metadata.encoding);
    if (encoding === "binary/null") values.push(null);
    else if (encoding !== "json/plain" && encoding !== "json/protobuf")
      return err(`the input is no JSON, it is encoded as \`${encoding}\``);
    else {
      try {
        values.push(JSON.parse(text.decode(data)));
      } catch {
        // What the parser says quotes the input, which does not belong into a reason.
        return err("the input says to be JSON and is not");
      }
    }
  }
  return ok(values);
}

function sizeOf(args: readonly unknown[]): InputSize {
  let items = 0;
  let letters = 0;
  const open: unknown[] = [args];
  for (let value = open.pop(); open.length > 0 || value !== undefined; value = open.pop()) {
    if (typeof value === "string") letters = Math.max(letters, value.length);
    else if (typeof value === "object" && value !== null) {
      const inner = Object.values(value);
      items = Math.max(items, inner.length);
      for (const one of inner) open.push(one);
    }
  }
  return { items, letters };
}
