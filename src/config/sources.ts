import { readFileSync } from "node:fs";
import { nearest } from "../base/nearest.ts";
import { err, ok, type Result } from "../base/result.ts";
import { type ConfigLayer, type ConfigValues, configPaths } from "./config.ts";

const environmentPrefix = "HOLDFAST_";
/** Names the configuration file; not itself a setting. */
export const configFileVariable = "HOLDFAST_CONFIG";
/** Where commands find the HTTP port of a running server; a server itself passes it over. */
export const addressVariable = "HOLDFAST_HTTP_ADDRESS";
/** And how: the key that says who asks, the authority that vouches for the server, and a certificate of one's own. */
export const apiKeyVariable = "HOLDFAST_API_KEY";
export const clientCaVariable = "HOLDFAST_CLIENT_CA";
export const clientCertVariable = "HOLDFAST_CLIENT_CERT";
export const clientKeyVariable = "HOLDFAST_CLIENT_KEY";
/** With which `holdfast key bootstrap` makes the first key; a server has it as `HOLDFAST_AUTH_BOOTSTRAP_TOKEN`. */
export const bootstrapTokenVariable = "HOLDFAST_BOOTSTRAP_TOKEN";
const notSettings = [
  configFileVariable,
  addressVariable,
  apiKeyVariable,
  clientCaVariable,
  clientCertVariable,
  clientKeyVariable,
  bootstrapTokenVariable,
];

const variableOf = (path: readonly string[]): string =>
  environmentPrefix + path.map((key) => key.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase()).join("_");

const pathsByVariable = new Map(configPaths.map((path) => [variableOf(path), path]));

/** Kubernetes describes a service named "holdfast" to every pod in variables of this form. */
const describesKubernetesService = (name: string, value: string): boolean =>
  /^HOLDFAST_(SERVICE_|PORT_\d+_)/.test(name) || (name === "HOLDFAST_PORT" && value.startsWith("tcp://"));

/** The `HOLDFAST_*` variables: `HOLDFAST_LONG_POLL_UPDATE` sets `longPoll.update`. Refused with a sentence for each unknown one. */
export function environmentLayer(environment: NodeJS.ProcessEnv): Result<ConfigLayer, readonly string[]> {
  const values: Record<string, unknown> = {};
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(environmentPrefix) || notSettings.includes(name) || value === undefined) continue;
    if (describesKubernetesService(name, value)) continue;
    const path = pathsByVariable.get(name);
    if (path !== undefined) setAt(values, path, parsedVariable(path, value));
    else {
      const meant = nearest(name, [...pathsByVariable.keys(), ...notSettings]);
      unknown.push(`${name}: unknown variable${meant === undefined ? "" : `, did you mean \`${meant}\`?`}`);
    }
  }
  return unknown.length > 0 ? err(unknown) : ok({ values, nameOf: (path) => variableOf(knownPart(path)) });
}

/** Reads a YAML (or JSON) file. Refused when it cannot be read or is no mapping. */
export async function fileLayer(file: string): Promise<Result<ConfigLayer, readonly string[]>> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return err([`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
  // Most starts have no file, and need not load the parser.
  const { parseDocument } = await import("./yaml.ts");
  const document = parseDocument(text);
  const problem = document.errors[0];
  if (problem !== undefined) return err([`${file} is not valid YAML: ${problem.message}`]);
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== "object" || values === null || Array.isArray(values)) return err([`${file}: expected a mapping of settings`]);
  return ok({ values: values as ConfigValues, nameOf: (path) => `${path.join(".")} in ${file}` });
}

/** `Name=Type` pairs, comma-separated in one text or one per item, as a mapping. A pair without `=` keeps an empty type, which validation refuses. */
export const searchAttributesFrom = (pairs: readonly string[]): { readonly [name: string]: string } =>
  Object.fromEntries(pairs.map((pair) => splitOnce(pair)).map(([name, type]) => [name, type ?? ""]));

/** `name=URL`, or `topic=task-queue`, one per item. */
const channelsFrom = (pairs: readonly string[]): { readonly [name: string]: string } =>
  Object.fromEntries(pairs.map((pair) => splitOnce(pair)).map(([name, url]) => [name, url ?? ""]));

/** `name` or `name=retention`, one per item. */
export const namespacesFrom = (items: readonly string[]): readonly { readonly name: string; readonly retention: string | null }[] =>
  items.map((item) => splitOnce(item)).map(([name, retention]) => ({ name, retention: retention ?? null }));

function parsedVariable(path: readonly string[], value: string): unknown {
  const items = value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  if (path[0] === "searchAttributes") return searchAttributesFrom(items);
  if (path[0] === "namespaces") return namespacesFrom(items);
  if (path[0] === "policy" || path[0] === "policyKeys" || path[1] === "allowedHosts") return items;
  if (path.join(".") === "notify.channels" || path[0] === "routes") return channelsFrom(items);
  if (["auth.roles", "auth.jwt", "auth.certificates", "quotas.namespaces"].includes(path.join("."))) return parsedJson(value);
  if (path.join(".") === "push.endpoints") return parsedJson(value);
  if (path[1] === "allowPrivate") return value === "true" || value === "false" ? value : items;
  return value;
}

/** What is no JSON stays a text, which validation refuses. */
function parsedJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function splitOnce(pair: string): readonly [string, string | undefined] {
  const at = pair.indexOf("=");
  return at < 0 ? [pair, undefined] : [pair.slice(0, at), pair.slice(at + 1)];
}

function setAt(values: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = "", ...rest] = path;
  if (rest.length === 0) values[key] = value;
  else {
    const inner = (values[key] ?? {}) as Record<string, unknown>;
    values[key] = inner;
    setAt(inner, rest, value);
  }
}

/** An issue may lie deeper than the setting (in one of the namespaces): the variable is that of the setting. */
const knownPart = (path: readonly string[]): readonly string[] =>
  configPaths.find((known) => known.every((key, index) => path[index] === key)) ?? path;
