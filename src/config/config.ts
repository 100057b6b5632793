import * as z from "zod/mini";
import { nearest } from "../base/nearest.ts";
import { formatBytes, formatDuration, parseBytes, parseCount, parseDuration } from "../base/quantity.ts";
import { err, ok, type Result } from "../base/result.ts";
import { type DurationMs, dayMs, hourMs, secondMs } from "../base/time.ts";
import { defaultLimits, type Limits } from "../execution/limits.ts";
import { type AuthConfig, authProblems, authSchema, defaultAuth } from "./auth.ts";
import { defaultEncryption, type EncryptionConfig, encryptionProblems, encryptionSchema } from "./encryption.ts";
import { exposureProblem } from "./exposure.ts";
import { defaultQuotas, type QuotasConfig, quotasSchema } from "./quotas.ts";
import { boolean, duration, filledText, hosts, oneOf, secretSetting, setting, text } from "./setting.ts";
import { defaultTls, type TlsConfig, tlsProblems, tlsSchema } from "./tls.ts";

/** Everything that can be set about a server. `docs/configuration.md` explains each key. */
export type Config = {
  /** Path of the SQLite database, or `:memory:`. */
  readonly db: string;
  /** Address that every port listens on. */
  readonly ip: string;
  /** gRPC port; 0 lets the system choose. */
  readonly port: number;
  /** Port of health checks and metrics; 0 lets the system choose, null is off. */
  readonly httpPort: number | null;
  /** Namespaces that exist from the start. Those already in the database stay. */
  readonly namespaces: readonly NamespaceConfig[];
  /** Retention of namespaces that name none: how long a closed run can still be read. */
  readonly retention: DurationMs;
  /** Search attributes that the namespaces above know from the start, by name. */
  readonly searchAttributes: { readonly [name: string]: SearchAttributeType };
  /** Policy files that decide what workers may do, each a bundle; none: everything is allowed. */
  readonly policy: readonly string[];
  /** Denies every action while no policy is published. */
  readonly requirePolicy: boolean;
  /** Ed25519 public keys of those who may sign policy bundles, or names of files with one. A signature that is there must be theirs. */
  readonly policyKeys: readonly string[];
  /** Refuses policy bundles that are not signed. */
  readonly requirePolicySignature: boolean;
  readonly checkpoints: CheckpointConfig;
  /** How often a page of what may stand still is looked at. */
  readonly reconcile: { readonly interval: DurationMs };
  readonly notify: NotifyConfig;
  readonly api: ApiConfig;
  readonly http: HttpConfig;
  readonly artifacts: ArtifactConfig;
  readonly push: PushConfig;
  readonly auth: AuthConfig;
  readonly quotas: QuotasConfig;
  readonly encryption: EncryptionConfig;
  readonly tls: TlsConfig;
  /** Task queues of the workers of topics, by patterns of topics such as `job.incident.*`; a topic without one is its own. */
  readonly routes: { readonly [topics: string]: string };
  /** The channel of `notify` that hears of approvals when they are asked for or escalate, null for none. */
  readonly approvals: { readonly notify: string | null };
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  readonly limits: Limits & EdgeLimits;
  readonly longPoll: LongPoll;
  /** Serves the test service, by which clients may move the server's clock. Never for real work. */
  readonly timeSkipping: boolean;
};

/** `retention` null takes the server's. */
export type NamespaceConfig = { readonly name: string; readonly retention: DurationMs | null };

/** Signed statements of where the ledger ends. Without a key there are none. */
export type CheckpointConfig = {
  /** File with the Ed25519 private key that signs, as PEM. */
  readonly key: string | null;
  readonly interval: DurationMs;
  /** File outside of the database to which each is appended as well. */
  readonly file: string | null;
};

export type EdgeLimits = {
  /** Size of one gRPC request. */
  readonly grpcReceiveBytes: number;
  /** Polls that may wait at one time, all queues together. */
  readonly openPolls: number;
  /** Of them, those of one principal, and those of one namespace. */
  readonly pollsPerPrincipal: number;
  readonly pollsPerNamespace: number;
  /** Other gRPC calls of one principal that are under way at one time. */
  readonly callsPerPrincipal: number;
  /** Open connections from one address to one port. */
  readonly connectionsPerAddress: number;
};

/** Where the activity `holdfast.notify` may send, and how. */
export type NotifyConfig = {
  /** URLs by name. They are secrets. */
  readonly channels: { readonly [name: string]: string };
  /** Key of the signature that receivers can check; null sends none. */
  readonly signingKey: string | null;
  /** Whether hosts may have addresses that are not public: all of them, none, or these. */
  readonly allowPrivate: boolean | readonly string[];
  /** From the call to the answer. */
  readonly timeout: DurationMs;
};

/** Whom the HTTP API answers, and how often. */
export type ApiConfig = {
  /** Names under which it is asked, besides `localhost` and addresses; `*` is any. */
  readonly allowedHosts: readonly string[];
  /** Of one principal of a tenant, in the long run; null is without limit. */
  readonly requestsPerSecond: number | null;
  /** At once. */
  readonly requestBurst: number;
  /** Requests of one principal, streams among them, that are under way at one time; null is without limit. */
  readonly concurrentRequests: number | null;
  /** Until the last header of a request has come. */
  readonly headersTimeout: DurationMs;
  /** Until the last byte of a request has come. */
  readonly requestTimeout: DurationMs;
};

/** Where the activity `holdfast.http` may reach. */
export type HttpConfig = {
  /** Whether hosts may have addresses that are not public: all of them, none, or these. */
  readonly allowPrivate: boolean | readonly string[];
  /** From the call to the end of the answer. */
  readonly timeout: DurationMs;
};

/** Where tasks are pushed to, besides what is registered over the API. */
export type PushConfig = {
  /** Whether hosts may have addresses that are not public, and be reached without TLS: all of them, none, or these. */
  readonly allowPrivate: boolean | readonly string[];
  /** By id. */
  readonly endpoints: { readonly [id: string]: EndpointConfig };
};

export type EndpointConfig = {
  readonly namespace: string;
  /** A task queue, or a pattern of their names. */
  readonly taskQueues: string;
  readonly url: string;
  /** Key of the signature: `whsec_` and 24 to 64 bytes in base64. */
  readonly secret: string;
  /** Their values may be secrets. */
  readonly headers: { readonly [name: string]: string };
  /** From the call to the answer. */
  readonly timeout: DurationMs;
  /** Requests that are open at one time. */
  readonly maxConcurrent: number;
  readonly enabled: boolean;
};

/** Files behind pointers. */
export type ArtifactConfig = {
  /** Of one content. */
  readonly bytesMax: number;
  /** Of all artifacts of a namespace. */
  readonly totalBytesMax: number;
  /** How long they are kept, by what whoever sends them asks for. */
  readonly retentionShort: DurationMs;
  readonly retentionStandard: DurationMs;
  readonly retentionAudit: DurationMs;
};

/** How long a request may wait for news before it is answered without. */
export type LongPoll = {
  /** Of workers for tasks. */
  readonly poll: DurationMs;
  /** Of clients for new history events. */
  readonly history: DurationMs;
  /** Of clients for an update's outcome. */
  readonly update: DurationMs;
};

export const searchAttributeTypes = ["Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"] as const;
export type SearchAttributeType = (typeof searchAttributeTypes)[number];
export const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ["pretty", "json"] as const;
export type LogFormat = (typeof logFormats)[number];

export const defaultConfig: Config = {
  db: ".holdfast/holdfast.db",
  ip: "127.0.0.1",
  port: 7233,
  httpPort: 8081,
  namespaces: [{ name: "default", retention: null }],
  retention: 72 * hourMs,
  searchAttributes: {},
  policy: [],
  requirePolicy: false,
  policyKeys: [],
  requirePolicySignature: false,
  checkpoints: { key: null, interval: hourMs, file: null },
  reconcile: { interval: 15 * secondMs },
  approvals: { notify: null },
  notify: { channels: {}, signingKey: null, allowPrivate: false, timeout: 10 * secondMs },
  api: {
    allowedHosts: [],
    requestsPerSecond: 2_000,
    requestBurst: 4_000,
    concurrentRequests: 1_000,
    headersTimeout: 10 * secondMs,
    requestTimeout: 60 * secondMs,
  },
  http: { allowPrivate: false, timeout: 30 * secondMs },
  artifacts: {
    bytesMax: 8 * 2 ** 20,
    totalBytesMax: 2 ** 30,
    retentionShort: 24 * hourMs,
    retentionStandard: 7 * dayMs,
    retentionAudit: 30 * dayMs,
  },
  push: { allowPrivate: false, endpoints: {} },
  auth: defaultAuth,
  quotas: defaultQuotas,
  encryption: defaultEncryption,
  tls: defaultTls,
  routes: {},
  log: { level: "info", format: "json" },
  limits: {
    ...defaultLimits,
    grpcReceiveBytes: 4 * 2 ** 20,
    openPolls: 20_000,
    pollsPerPrincipal: 10_000,
    pollsPerNamespace: 10_000,
    callsPerPrincipal: 10_000,
    connectionsPerAddress: 1_000,
  },
  longPoll: { poll: 60 * secondMs, history: 20 * secondMs, update: 20 * secondMs },
  timeSkipping: false,
};

/** A configuration in part, each value as a person may write it: `retention: "3d"` as well as its milliseconds. */
export type ConfigValues = { readonly [key: string]: unknown };

/** Where values come from. Later layers win, key by key. */
export type ConfigLayer = {
  readonly values: ConfigValues;
  /** How this source calls a key, for error messages: `--port`, `HOLDFAST_PORT`, `port in holdfast.yaml`. */
  readonly nameOf: (path: readonly string[]) => string;
};

/** The defaults with `layers` laid over them, or one sentence for each thing that is wrong. */
export function resolveConfig(layers: readonly ConfigLayer[]): Result<Config, readonly string[]> {
  const merged: Record<string, unknown> = {};
  const origins = new Map<string, ConfigLayer>();
  merge(merged, { values: defaultConfig, nameOf: (path) => path.join(".") }, origins);
  for (const layer of layers) merge(merged, layer, origins);
  const parsed = schema.safeParse(merged, { reportInput: true });
  if (!parsed.success) return err(parsed.error.issues.flatMap((issue) => sentences(issue, origins)));
  const problems = [
    ...channelProblems(parsed.data),
    ...authProblems(parsed.data.auth),
    ...encryptionProblems(parsed.data.encryption),
    ...tlsProblems(parsed.data.tls),
    ...exposureProblems(parsed.data),
  ];
  if (problems.length > 0) return err(problems.map(({ path, problem }) => `${nameOf(path, origins)}: ${problem}`));
  return ok(parsed.data);
}

function exposureProblems(config: Config): readonly { readonly path: readonly string[]; readonly problem: string }[] {
  const problem = exposureProblem(config);
  return problem === null ? [] : [{ path: ["ip"], problem }];
}

function channelProblems({ approvals, notify }: Config): readonly { readonly path: readonly string[]; readonly problem: string }[] {
  if (approvals.notify === null || Object.hasOwn(notify.channels, approvals.notify)) return [];
  const known = Object.keys(notify.channels).join(", ") || "none";
  return [{ path: ["approvals", "notify"], problem: `\`${approvals.notify}\` is not one of \`notify.channels\` (${known})` }];
}

/** Keys that lead to one value each, as paths: what files, environment and flags may set. */
export const configPaths: readonly (readonly string[])[] = pathsOf(defaultConfig);

/** The configuration as one line per key, in the notation that a configuration file uses, without secrets. */
export const printable = (config: Config): string =>
  configPaths.map((path) => `${path.join(".")}: ${printedValue(path, valueAt(config, path))}`).join("\n");

const parsePort = (value: unknown): number | undefined => {
  const port = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : undefined;
};
const port = setting("a port number, 0 to 65535", parsePort);
const portOrOff = setting("a port number, 0 to 65535, or `off`", (value) => (value === "off" || value === null ? null : parsePort(value)));
const durationOrNull = setting("a duration such as 30s, 12h or 3d", (value) => (value === null ? null : parseDuration(value)));
const fileOrNull = setting("a file name", (value) => (value === null ? null : filledText(value)));
const bytes = setting("a size such as 512KiB or 4MiB", parseBytes);
const count = setting("a whole number above 0", parseCount);

const countOrOff = setting("a whole number above 0, or `off`", (value) => (value === "off" || value === null ? null : parseCount(value)));

// Whoever knows the URL of a channel can write to it.
const webhookUrl = secretSetting("an http or https URL", (value) => {
  const url = filledText(value);
  return url !== undefined && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) ? url : undefined;
});
const channelOrNull = setting("one of `notify.channels`", (value) => (value === null ? null : filledText(value)));
const secretOrNull = secretSetting("a text", (value) => (value === null ? null : filledText(value)));

const schema = z.strictObject({
  db: text("the path of a database file, or `:memory:`"),
  ip: text("an IP address"),
  port,
  httpPort: portOrOff,
  namespaces: z.array(z.strictObject({ name: text("a name"), retention: z._default(durationOrNull, null) }), {
    error: "expected a list of namespaces",
  }),
  retention: duration,
  searchAttributes: z.record(z.string(), oneOf(searchAttributeTypes), { error: "expected a mapping of names to types" }),
  policy: z.array(text("a file name"), { error: "expected a list of policy files" }),
  requirePolicy: boolean,
  policyKeys: z.array(text("a public key, or the name of a file with one"), { error: "expected a list of public keys" }),
  requirePolicySignature: boolean,
  reconcile: z.strictObject({ interval: duration }),
  checkpoints: z.strictObject({ key: fileOrNull, interval: duration, file: fileOrNull }),
  approvals: z.strictObject({ notify: channelOrNull }),
  notify: z.strictObject({
    channels: z.record(z.string(), webhookUrl, { error: "expected a mapping of names to URLs" }),
    signingKey: secretOrNull,
    allowPrivate: hosts,
    timeout: duration,
  }),
  api: z.strictObject({
    allowedHosts: z.array(text("the name of a host"), { error: "expected a list of host names" }),
    requestsPerSecond: countOrOff,
    requestBurst: count,
    concurrentRequests: countOrOff,
    headersTimeout: duration,
    requestTimeout: duration,
  }),
  http: z.strictObject({ allowPrivate: hosts, timeout: duration }),
  artifacts: z.strictObject({
    bytesMax: bytes,
    totalBytesMax: bytes,
    retentionShort: duration,
    retentionStandard: duration,
    retentionAudit: duration,
  }),
  push: z.strictObject({
    allowPrivate: hosts,
    endpoints: z.record(
      z.string(),
      z.strictObject({
        namespace: z._default(text("a namespace"), "default"),
        taskQueues: text("a task queue, or a pattern of their names"),
        url: webhookUrl,
        secret: secretSetting("a secret", filledText),
        headers: z._default(
          z.record(z.string(), secretSetting("a text", filledText), { error: "expected a mapping of names to texts" }),
          {},
        ),
        timeout: z._default(duration, 30 * secondMs),
        maxConcurrent: z._default(count, 10),
        enabled: z._default(boolean, true),
      }),
      { error: "expected a mapping of ids to endpoints" },
    ),
  }),
  auth: authSchema,
  quotas: quotasSchema,
  encryption: encryptionSchema,
  tls: tlsSchema,
  routes: z.record(z.string(), text("a task queue"), { error: "expected a mapping of topics to task queues" }),
  log: z.strictObject({ level: oneOf(logLevels), format: oneOf(logFormats) }),
  limits: z.strictObject({
    blobSizeError: bytes,
    memoSizeError: bytes,
    historySizeError: bytes,
    historyCountError: count,
    suggestContinueAsNewSize: bytes,
    suggestContinueAsNewCount: count,
    pendingActivities: count,
    pendingChildren: count,
    pendingSignals: count,
    pendingCancels: count,
    signalsPerRun: count,
    updatesInFlight: count,
    updatesInFlightBytes: bytes,
    updatesPerRun: count,
    bufferedEvents: count,
    bufferedBytes: bytes,
    idLength: count,
    activityFailureBytes: bytes,
    grpcReceiveBytes: bytes,
    openPolls: count,
    pollsPerPrincipal: count,
    pollsPerNamespace: count,
    callsPerPrincipal: count,
    connectionsPerAddress: count,
  }),
  longPoll: z.strictObject({ poll: duration, history: duration, update: duration }),
  timeSkipping: boolean,
});

function isMapping(value: unknown): value is ConfigValues {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function merge(into: Record<string, unknown>, layer: ConfigLayer, origins: Map<string, ConfigLayer>): void {
  const lay = (target: Record<string, unknown>, values: ConfigValues, path: readonly string[]): void => {
    for (const [key, value] of Object.entries(values)) {
      if (value === undefined) continue;
      const here = [...path, key];
      origins.set(here.join("."), layer);
      if (!isMapping(value)) target[key] = value;
      else {
        // Copied, so that a later layer never writes into the defaults or into a caller's object.
        const inner = isMapping(target[key]) ? { ...target[key] } : {};
        target[key] = inner;
        lay(inner, value, here);
      }
    }
  };
  lay(into, layer.values, []);
}

type Issue = z.core.$ZodIssue;

function sentences(issue: Issue, origins: ReadonlyMap<string, ConfigLayer>): readonly string[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey([...path, key], origins));
  const value = issue.input === undefined ? "" : `, not ${JSON.stringify(issue.input)}`;
  const expected = issue.code === "invalid_type" ? expectedType(issue.expected) : issue.message;
  return [`${nameOf(path, origins)}: ${expected}${value}`];
}

const expectedType = (type: string): string =>
  `expected ${type === "object" || type === "record" ? "a mapping" : type === "array" ? "a list" : type}`;

function unknownKey(path: readonly string[], origins: ReadonlyMap<string, ConfigLayer>): string {
  const key = path.at(-1) ?? "";
  const siblings = configPaths.filter(
    (known) => known.length >= path.length && path.slice(0, -1).every((part, index) => known[index] === part),
  );
  const names = [...new Set(siblings.map((known) => known[path.length - 1] ?? ""))];
  const meant = nearest(key, names);
  return `${nameOf(path, origins)}: unknown key${meant === undefined ? "" : `, did you mean \`${meant}\`?`}`;
}

/** The source of a value is that of the longest part of its path that some source has set. */
function nameOf(path: readonly string[], origins: ReadonlyMap<string, ConfigLayer>): string {
  for (let length = path.length; length > 0; length--) {
    const layer = origins.get(path.slice(0, length).join("."));
    if (layer !== undefined) return layer.nameOf(path);
  }
  return path.join(".");
}

function pathsOf(values: ConfigValues, path: readonly string[] = []): readonly (readonly string[])[] {
  return Object.entries(values).flatMap(([key, value]) =>
    isMapping(value) && !isDictionary([...path, key]) ? pathsOf(value, [...path, key]) : [[...path, key]],
  );
}

/** Settings whose keys a person chooses. */
function isDictionary(path: readonly string[]): boolean {
  return ["searchAttributes", "notify.channels", "push.endpoints", "routes", "auth.roles", "quotas.namespaces"].includes(path.join("."));
}

const valueAt = (config: Config, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, key) => (isMapping(value) ? value[key] : undefined), config);

function printedValue(path: readonly string[], value: unknown): string {
  const [group, key = ""] = path;
  if (path.join(".") === "db") return withoutPassword(String(value));
  if ((group === "httpPort" || key === "requestsPerSecond" || key === "concurrentRequests") && value === null) return "off";
  if (group === "quotas" && value === null) return "off";
  if (path.join(".") === "quotas.default.storedBytes") return formatBytes(Number(value));
  if (path.join(".") === "push.endpoints") return printedEndpoints(value as PushConfig["endpoints"]);
  if (group === "notify") return printedNotify(key, value);
  if (key === "bootstrapToken" && value !== null) return "***";
  if (path.join(".") === "encryption.key" && value !== null) return "***";
  if (path.join(".") === "encryption.dataKeyAge") return formatDuration(Number(value));
  if (typeof value === "number" && ["longPoll", "retention", "checkpoints", "reconcile", "http", "tls"].includes(group ?? ""))
    return formatDuration(value);
  if (typeof value === "number" && group === "api" && /Timeout$/.test(key)) return formatDuration(value);
  if (typeof value === "number" && group === "artifacts") return /^retention/.test(key) ? formatDuration(value) : formatBytes(value);
  if (typeof value === "number" && group === "limits" && /Size|Bytes/.test(key)) return formatBytes(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Whoever knows the URL of a channel can write to it, so that its host alone is shown. */
function printedNotify(key: string, value: unknown): string {
  if (key === "channels" && isMapping(value))
    return JSON.stringify(Object.fromEntries(Object.entries(value).map(([name, url]) => [name, `${new URL(String(url)).origin}/***`])));
  if (key === "signingKey") return value === null ? "null" : "***";
  return key === "timeout" ? formatDuration(Number(value)) : JSON.stringify(value);
}

/** Of secrets there is only that they are there. */
function printedEndpoints(endpoints: PushConfig["endpoints"]): string {
  const shown = ({ url, headers, ...rest }: EndpointConfig) => ({
    ...rest,
    url: `${new URL(url).origin}/***`,
    secret: "***",
    headers: Object.keys(headers),
  });
  return JSON.stringify(Object.fromEntries(Object.entries(endpoints).map(([id, endpoint]) => [id, shown(endpoint)])));
}

/** A database address may be a URL with credentials. */
const withoutPassword = (db: string): string => db.replace(/^(\w+:\/\/[^:/@]*):[^@]*@/, "$1:***@");
