const hidden = "[hidden: payloads.read is needed]";

/**
 * JSON without what stands under some names, however deep: for readers who may see what happened, and not with which data. It says that
 * there was something.
 */
export function withoutPayloads(json: unknown, names: readonly string[]): unknown {
  if (Array.isArray(json)) return json.map((one) => withoutPayloads(one, names));
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name, names.includes(name) ? inPlaceOf(value) : withoutPayloads(value, names)]),
  );
}

function inPlaceOf(value: unknown): unknown {
  if (value === null || value === undefined) return value;
  return typeof value === "object" && !Array.isArray(value) ? { hidden } : hidden;
}
