import { Ajv, type AnySchema, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { err, ok, type Result } from "../base/result.ts";
import { patternCost } from "../language/pattern-cost.ts";
import { isList, isObject, type Json } from "./json.ts";

/** A JSON Schema, drafts 2020-12 (unless it says otherwise) and 07. */
export type Schema = {
  /** Refused with a sentence that names the place: `/items/0/price must be number`. */
  check(value: Json): Result<void, string>;
};

/** Refused when it is no schema, refers to something outside of itself, or has a pattern whose cost is not bounded. */
export function compileSchema(schema: Json): Result<Schema, string> {
  if (!isObject(schema) && typeof schema !== "boolean") return err("a schema is an object");
  const pattern = patternsOf(schema)
    .map((text) => patternCost(text))
    .find((cost) => !cost.ok);
  if (pattern !== undefined && !pattern.ok) return err(pattern.error.replace("the pattern of `matches`", "a pattern"));
  const ajv = isObject(schema) && String(schema.$schema).includes("draft-07") ? draft07() : draft2020();
  try {
    // Its own copy of the compiler's cache would keep every schema that was ever read.
    const validate = ajv.compile(schema as AnySchema);
    if (isObject(schema)) ajv.removeSchema(schema);
    return ok({ check: (value) => checked(validate, value) });
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

const options = {
  strictSchema: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  addUsedSchema: false,
  logger: false,
} as const;
let newer: Ajv | undefined;
let older: Ajv | undefined;
const draft2020 = (): Ajv => (newer ??= addFormats.default(new Ajv2020(options)));
const draft07 = (): Ajv => (older ??= addFormats.default(new Ajv(options)));

function checked(validate: ValidateFunction, value: Json): Result<void, string> {
  if (validate(value)) return ok(undefined);
  const [error] = validate.errors ?? [];
  return err(`${error?.instancePath || "the value"} ${error?.message ?? "is refused"}${unknownField(error?.params)}`);
}

const unknownField = (params: unknown): string =>
  typeof params === "object" && params !== null && "additionalProperty" in params ? `: \`${String(params.additionalProperty)}\`` : "";

/** All texts under `pattern`, and the keys of `patternProperties`, wherever they stand. */
function patternsOf(schema: Json): readonly string[] {
  if (isList(schema)) return schema.flatMap(patternsOf);
  if (!isObject(schema)) return [];
  return Object.entries(schema).flatMap(([key, value]) => {
    if (key === "pattern" && typeof value === "string") return [value];
    return key === "patternProperties" && isObject(value) ? [...Object.keys(value), ...patternsOf(value)] : patternsOf(value);
  });
}
