import { ok, type Result } from "../../base/result.ts";
import { anyValue, dictionary, holdsList, holdsMapping, list, type Place, type Reader, report } from "../../language/reader.ts";
import { isObject, type Json, type JsonObject, printed } from "../json.ts";
import { compileExpression, type Expression, evaluate } from "./expression.ts";
import type { Scope } from "./scope.ts";

/** A value with `${…}` in its texts. A text that is one `${…}` as a whole keeps the type of its value; others are put together as text. */
export type Template =
  | { readonly kind: "value"; readonly value: Json }
  | { readonly kind: "expression"; readonly expression: Expression }
  | { readonly kind: "text"; readonly parts: readonly (string | Expression)[] }
  | { readonly kind: "list"; readonly items: readonly Template[] }
  | { readonly kind: "map"; readonly entries: readonly (readonly [key: string, template: Template])[] };

export const readTemplate: Reader<Template> = (at) => {
  if (holdsList(at)) {
    const items = list(orNull(readTemplate))(at);
    if (items === undefined) return undefined;
    return items.every(isValue) ? { kind: "value", value: items.map(({ value }) => value) } : { kind: "list", items };
  }
  if (holdsMapping(at)) {
    const entries = dictionary(orNull(readTemplate))(at);
    return entries === undefined ? undefined : mapOf([...entries]);
  }
  const value = at.node === null ? null : (anyValue(at) as Json);
  return typeof value === "string" && value.includes("${") ? readText(value, at) : { kind: "value", value };
};

const isValue = (template: Template): template is Extract<Template, { kind: "value" }> => template.kind === "value";
const nothing: Template = { kind: "value", value: null };
const orNull =
  (read: Reader<Template>): Reader<Template> =>
  (at) =>
    at.node === null ? nothing : read(at);

/** Of a mapping's parts. Without any expression in it, it is a value. */
export function mapOf(entries: readonly (readonly [string, Template])[]): Template {
  const values: [string, Json][] = [];
  for (const [key, template] of entries) if (isValue(template)) values.push([key, template.value]);
  return values.length === entries.length ? { kind: "value", value: Object.fromEntries(values) } : { kind: "map", entries };
}

/** The mapping with texts for the keys that it does not have. A default of null is none. */
export function withDefaults(template: Template | undefined, defaults: { readonly [key: string]: string | null }): Template {
  const written = template === undefined ? [] : entriesOf(template);
  const keys = new Set(written.map(([key]) => key));
  const added = Object.entries(defaults).filter(([key, value]) => value !== null && !keys.has(key));
  return mapOf([...written, ...added.map(([key, value]) => [key, { kind: "value", value }] as const)]);
}

function entriesOf(template: Template): readonly (readonly [string, Template])[] {
  if (template.kind === "map") return template.entries;
  if (!isValue(template) || !isObject(template.value)) return [];
  return Object.entries(template.value).map(([key, value]) => [key, { kind: "value", value }]);
}

function readText(text: string, at: Place): Template | undefined {
  const parts: (string | Expression)[] = [];
  let complete = true;
  for (let index = 0; index < text.length; ) {
    const open = text.indexOf("${", index);
    if (open < 0) {
      parts.push(text.slice(index));
      break;
    }
    if (open > index) parts.push(text.slice(index, open));
    const close = closing(text, open + 2);
    if (close < 0) return report(at, "`${` is never closed");
    const expression = compileExpression(text.slice(open + 2, close), at, open + 2);
    if (expression === undefined) complete = false;
    else parts.push(expression);
    index = close + 1;
  }
  if (!complete) return undefined;
  const [only] = parts;
  return parts.length === 1 && only !== undefined && typeof only !== "string"
    ? { kind: "expression", expression: only }
    : { kind: "text", parts };
}

/** Where the brace stands that closes the one before `from`: braces inside, and what stands in quotes, are skipped. */
function closing(text: string, from: number): number {
  let depth = 0;
  let quote = "";
  for (let index = from; index < text.length; index++) {
    const letter = text[index] ?? "";
    if (quote !== "") {
      if (letter === "\\") index++;
      else if (letter === quote) quote = "";
    } else if (letter === "'" || letter === '"') quote = letter;
    else if (letter === "{") depth++;
    else if (letter === "}" && depth-- === 0) return index;
  }
  return -1;
}

/** Refused with the sentence of the first expression that has no value. */
export function render(template: Template, scope: Scope): Result<Json, string> {
  switch (template.kind) {
    case "value":
      return ok(template.value);
    case "expression":
      return evaluate(template.expression, scope);
    case "text": {
      let text = "";
      for (const part of template.parts) {
        const value = typeof part === "string" ? ok(part) : evaluate(part, scope);
        if (!value.ok) return value;
        text += printed(value.value);
      }
      return ok(text);
    }
    case "list": {
      const items: Json[] = [];
      for (const item of template.items) {
        const value = render(item, scope);
        if (!value.ok) return value;
        items.push(value.value);
      }
      return ok(items);
    }
    case "map": {
      const fields: { [key: string]: Json } = {};
      for (const [key, field] of template.entries) {
        const value = render(field, scope);
        if (!value.ok) return value;
        // Not by assignment, which would set the prototype for one certain key.
        Object.defineProperty(fields, key, { value: value.value, enumerable: true, configurable: true, writable: true });
      }
      return ok(fields satisfies JsonObject);
    }
  }
}

export function expressionsOf(template: Template): readonly Expression[] {
  switch (template.kind) {
    case "value":
      return [];
    case "expression":
      return [template.expression];
    case "text":
      return template.parts.filter((part) => typeof part !== "string");
    case "list":
      return template.items.flatMap(expressionsOf);
    case "map":
      return template.entries.flatMap(([, field]) => expressionsOf(field));
  }
}

/** The template with what `isKnown` accepts filled in, and the rest as it was written. */
export function preview(template: Template, scope: Scope, isKnown: (expression: Expression) => boolean): Json {
  switch (template.kind) {
    case "list":
      return template.items.map((item) => preview(item, scope, isKnown));
    case "map":
      return Object.fromEntries(template.entries.map(([key, field]) => [key, preview(field, scope, isKnown)]));
    default: {
      const value = expressionsOf(template).every(isKnown) ? render(template, scope) : null;
      return value?.ok ? value.value : written(template);
    }
  }
}

function written(template: Template): Json {
  if (template.kind === "expression") return `\${${template.expression.source}}`;
  if (template.kind !== "text") return null;
  return template.parts.map((part) => (typeof part === "string" ? part : `\${${part.source}}`)).join("");
}
