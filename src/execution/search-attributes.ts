import { err, ok, type Result } from "../base/result.ts";
import type { EpochMs } from "../base/time.ts";
import type { Memo, Payload, SearchAttributes } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { IndexedValueType } from "../protocol/generated/temporal/api/enums/v1/common.ts";
import { invalidArgument, type Refusal } from "../protocol/refusal.ts";

/** Every attribute that a namespace knows, by name: system, predefined and its own. */
export type SearchAttributeTypes = ReadonlyMap<string, IndexedValueType>;

export type SearchAttributeValue = string | number | boolean | readonly string[];

const { TEXT, KEYWORD, INT, DOUBLE, BOOL, DATETIME, KEYWORD_LIST } = IndexedValueType;

/** Kept by the server in columns of their own; nobody sets them. Source: temporal `sadefs`. */
export const systemSearchAttributes: SearchAttributeTypes = new Map<string, IndexedValueType>([
  ["WorkflowId", KEYWORD],
  ["RunId", KEYWORD],
  ["WorkflowType", KEYWORD],
  ["StartTime", DATETIME],
  ["ExecutionTime", DATETIME],
  ["CloseTime", DATETIME],
  ["ExecutionStatus", KEYWORD],
  ["TaskQueue", KEYWORD],
  ["HistoryLength", INT],
  ["ExecutionDuration", INT],
  ["StateTransitionCount", INT],
  ["HistorySizeBytes", INT],
  ["ParentWorkflowId", KEYWORD],
  ["ParentRunId", KEYWORD],
  ["RootWorkflowId", KEYWORD],
  ["RootRunId", KEYWORD],
]);

/** Predefined, and yet set by SDKs and users: the patches of SDKs write `TemporalChangeVersion`. */
const settablePredefined: SearchAttributeTypes = new Map<string, IndexedValueType>([
  ["TemporalChangeVersion", KEYWORD_LIST],
  ["BinaryChecksums", KEYWORD_LIST],
  ["BuildIds", KEYWORD_LIST],
  ["BatcherNamespace", KEYWORD],
  ["BatcherUser", KEYWORD],
  ["TemporalScheduledStartTime", DATETIME],
  ["TemporalScheduledById", KEYWORD],
  ["TemporalSchedulePaused", BOOL],
  ["TemporalNamespaceDivision", KEYWORD],
  ["TemporalPauseInfo", KEYWORD_LIST],
  ["TemporalReportedProblems", KEYWORD_LIST],
  // What a run of a declarative workflow does, in finer words than the status of its execution.
  ["HoldfastRunStatus", KEYWORD],
  // What else there is to know of such a run.
  ["HoldfastOrgId", KEYWORD],
  ["HoldfastTeamId", KEYWORD],
  ["HoldfastTotalCost", DOUBLE],
  ["HoldfastUpdatedAt", DATETIME],
  // All that one request has brought about.
  ["HoldfastTraceId", KEYWORD],
]);

/** In every namespace, and stored among the execution's own search attributes. */
export const predefinedSearchAttributes: SearchAttributeTypes = new Map<string, IndexedValueType>([
  ...settablePredefined,
  ["TemporalWorkerDeployment", KEYWORD],
  ["TemporalWorkerDeploymentVersion", KEYWORD],
  ["TemporalWorkflowVersioningBehavior", KEYWORD],
  ["TemporalUsedWorkerDeploymentVersions", KEYWORD_LIST],
  ["TemporalExternalPayloadCount", INT],
  ["TemporalExternalPayloadSizeBytes", INT],
]);

const reservedNames: ReadonlySet<string> = new Set(["NamespaceId", "MemoEncoding", "Memo", "VisibilityTaskKey"]);
const reservedPrefix = "Temporal";

/** As `metadata.type` and error messages spell the types. */
const typeNames = new Map<IndexedValueType, string>([
  [TEXT, "Text"],
  [KEYWORD, "Keyword"],
  [INT, "Int"],
  [DOUBLE, "Double"],
  [BOOL, "Bool"],
  [DATETIME, "Datetime"],
  [KEYWORD_LIST, "KeywordList"],
]);

export const attributesMax = 100;
export const attributeValueBytesMax = 2 * 1024;
export const attributesBytesMax = 40 * 1024;
export const customAttributesPerTypeMax = 100;
export const attributeNameLengthMax = 255;

/** All attributes of a namespace, given its own ones. */
export const searchAttributeTypes = (custom: SearchAttributeTypes): SearchAttributeTypes =>
  new Map([...custom, ...systemSearchAttributes, ...predefinedSearchAttributes]);

export const typeName = (type: IndexedValueType): string => typeNames.get(type) ?? `unknown type ${type}`;

/** The namespace's own attributes after adding some. One that is there already with the same type stays as it is. */
export function addSearchAttributes(
  custom: SearchAttributeTypes,
  added: { readonly [name: string]: IndexedValueType },
): Result<SearchAttributeTypes, Refusal> {
  const types = new Map(custom);
  for (const [name, type] of Object.entries(added)) {
    const present = types.get(name);
    if (isReserved(name)) return err(invalidArgument(`Search attribute ${name} is reserved by system.`));
    if (!isName(name))
      return err(
        invalidArgument(
          `invalid search attribute name ${JSON.stringify(name)}: use 1 to ${attributeNameLengthMax} characters, no back-tick, no control character, no space at an end`,
        ),
      );
    if (!typeNames.has(type)) return err(invalidArgument(`search attribute ${name} has an unknown type: ${type}`));
    if (present !== undefined && present !== type)
      return err({ kind: "already-exists", message: `Search attribute ${name} already exists with type ${typeName(present)}.` });
    types.set(name, type);
  }
  for (const [type, name] of typeNames) {
    const count = [...types.values()].filter((of) => of === type).length;
    if (count > customAttributesPerTypeMax)
      return err(invalidArgument(`cannot have more than ${customAttributesPerTypeMax} search attributes of type ${name}`));
  }
  return ok(types);
}

/** Why a caller may not set these attributes, in the server's words, or null when they are fine. */
export function validateSearchAttributes(message: SearchAttributes, types: SearchAttributeTypes): string | null {
  const fields = Object.entries(message.indexedFields);
  if (fields.length > attributesMax) return `number of search attributes ${fields.length} exceeds limit ${attributesMax}`;
  let total = 0;
  for (const [name, { data }] of fields) {
    const internal = systemSearchAttributes.has(name) || (predefinedSearchAttributes.has(name) && !settablePredefined.has(name));
    if (internal) return `${name} attribute can't be set in SearchAttributes`;
    if (data.length > attributeValueBytesMax)
      return `search attribute ${name} value size ${data.length} exceeds size limit ${attributeValueBytesMax}`;
    total += Buffer.byteLength(name) + data.length;
  }
  if (total > attributesBytesMax) return `total size of search attributes ${total} exceeds size limit ${attributesBytesMax}`;
  const decoded = decodeSearchAttributes(message, types);
  return decoded.ok ? null : decoded.error;
}

/** The values that visibility indexes: datetimes in epoch milliseconds, unset ones left out. Refused with the sentence for the caller. */
export function decodeSearchAttributes(
  message: SearchAttributes,
  types: SearchAttributeTypes,
): Result<{ readonly [name: string]: SearchAttributeValue }, string> {
  const values: [string, SearchAttributeValue][] = [];
  for (const [name, payload] of Object.entries(message.indexedFields)) {
    const type = types.get(name);
    if (type === undefined) return err(`search attribute ${name} is not defined`);
    const value = decodeValue(payload, type);
    if (!value.ok) return err(`invalid value for search attribute ${name} of type ${typeName(type)}: ${value.error}`);
    if (value.value !== null) values.push([name, value.value]);
  }
  // fromEntries defines each name as a property, even one like `__proto__`.
  return ok(Object.fromEntries(values));
}

/** The same attributes with `metadata.type` from the registry: SDKs decode by it, and callers may leave it out. */
export function withTypes(message: SearchAttributes, types: SearchAttributeTypes): SearchAttributes {
  const typed = Object.entries(message.indexedFields).map(([name, payload]): [string, Payload] => {
    const type = types.get(name);
    return [
      name,
      type === undefined ? payload : { ...payload, metadata: { ...payload.metadata, type: new TextEncoder().encode(typeName(type)) } },
    ];
  });
  return { indexedFields: Object.fromEntries(typed) };
}

/** An upsert over what was there; null and the empty list remove a name. */
export const mergeSearchAttributes = (old: SearchAttributes | undefined, upsert: SearchAttributes): SearchAttributes => ({
  indexedFields: mergePayloads(old?.indexedFields, upsert.indexedFields),
});

/** An upsert over what was there; null and the empty payload remove a key. */
export const mergeMemo = (old: Memo | undefined, upsert: Memo): Memo => ({ fields: mergePayloads(old?.fields, upsert.fields) });

/** Epoch milliseconds of an RFC 3339 time, to the microsecond, or null when it is none. */
export function parseRfc3339(text: string): EpochMs | null {
  const [, date, time, fraction = "", sign, hours, minutes] = rfc3339.exec(text) ?? [];
  if (date === undefined) return null;
  const wallClockMs = Date.parse(`${date}T${time}Z`);
  // A day that the month does not have is moved into the next one by some engines: not a time.
  if (Number.isNaN(wallClockMs) || new Date(wallClockMs).getUTCDate() !== Number(date.slice(8))) return null;
  const offsetMinutes = sign === undefined ? 0 : (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  const micros = Number(fraction.slice(0, 6).padEnd(6, "0"));
  return wallClockMs - offsetMinutes * 60_000 + Math.floor(micros / 1000) + (micros % 1000) / 1000;
}
const rfc3339 = /^(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

const isReserved = (name: string): boolean =>
  systemSearchAttributes.has(name) || predefinedSearchAttributes.has(name) || reservedNames.has(name) || name.startsWith(reservedPrefix);

// What a query can spell between back-ticks.
const isName = (name: string): boolean =>
  name.length >= 1 && name.length <= attributeNameLengthMax && name.trim() === name && !/[`\p{Cc}]/u.test(name);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeValue(payload: Payload, type: IndexedValueType): Result<SearchAttributeValue | null, string> {
  if (isNull(payload)) return ok(null);
  const encoding = encodingOf(payload);
  if (encoding !== "json/plain") return err(`encoding ${JSON.stringify(encoding)} is not json/plain`);
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(payload.data));
  } catch {
    return err("not JSON");
  }
  if (type === KEYWORD_LIST) return isStringList(value) ? ok(value) : err(`${JSON.stringify(value)} is not a list of strings`);
  // Older SDKs send every value in a list.
  if (!Array.isArray(value)) return decodeScalar(value, type);
  return value.length === 1 ? decodeScalar(value[0], type) : err(`list of ${value.length} values`);
}

function decodeScalar(value: unknown, type: IndexedValueType): Result<string | number | boolean, string> {
  switch (type) {
    case TEXT:
    case KEYWORD:
      if (typeof value === "string") return ok(value);
      break;
    case INT:
      if (typeof value === "number" && Number.isInteger(value)) return ok(value);
      break;
    case DOUBLE:
      if (typeof value === "number") return ok(value);
      break;
    case BOOL:
      if (typeof value === "boolean") return ok(value);
      break;
    case DATETIME: {
      const time = typeof value === "string" ? parseRfc3339(value) : null;
      if (time !== null) return ok(time);
    }
  }
  return err(JSON.stringify(value));
}

const isStringList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

/** `null`, `[]` or a payload of nothing: every SDK has its own way to say "unset". Empty bytes are a value. */
function isNull(payload: Payload): boolean {
  if (payload.data.length === 0) return encodingOf(payload) !== "binary/plain";
  return payload.data.length <= 4 && encodingOf(payload) === "json/plain" && unsetTexts.has(Buffer.from(payload.data).toString("latin1"));
}
const unsetTexts: ReadonlySet<string> = new Set(["null", "[]"]);

const encodingOf = ({ metadata }: Payload): string => Buffer.from(metadata.encoding ?? []).toString();

function mergePayloads(
  old: { readonly [key: string]: Payload } = {},
  upsert: { readonly [key: string]: Payload },
): { [key: string]: Payload } {
  const merged = new Map(Object.entries(old));
  for (const [key, payload] of Object.entries(upsert)) {
    if (isNull(payload)) merged.delete(key);
    else merged.set(key, payload);
  }
  return Object.fromEntries(merged);
}
