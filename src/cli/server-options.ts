import type { Command } from "commander";
import {
  type Config,
  type ConfigLayer,
  type ConfigValues,
  logFormats,
  logLevels,
  resolveConfig,
  searchAttributeTypes,
} from "../config/config.ts";
import { configFileVariable, environmentLayer, fileLayer, namespacesFrom, searchAttributesFrom } from "../config/sources.ts";
import { clientCertificateModes } from "../config/tls.ts";
import { UsageError } from "./context.ts";

/** Flags that every command which runs a server has, as commander gives them. */
export type ServerOptions = {
  readonly config?: string;
  readonly db?: string;
  readonly ip?: string;
  readonly port?: string;
  readonly httpPort?: string;
  readonly headless?: true;
  readonly namespace?: readonly string[];
  readonly retention?: string;
  readonly searchAttribute?: readonly string[];
  readonly policy?: readonly string[];
  readonly requirePolicy?: true;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly tlsClientCert?: string;
  readonly allowUnauthenticated?: true;
  readonly logLevel?: string;
  readonly logFormat?: string;
};

export const allowUnauthenticatedMeaning = "ask nobody who they are: whoever reaches the ports may do everything";

/** Of the flag: it asks nobody, whatever a file or the environment says. */
export const authOf = ({ allowUnauthenticated }: Pick<ServerOptions, "allowUnauthenticated">): ConfigValues | undefined =>
  allowUnauthenticated && { required: false, allowUnauthenticated };

export const collect = (value: string, former: readonly string[] = []): readonly string[] => [...former, value];

export const addServerOptions = (command: Command): Command =>
  command
    .option("--config <file>", "read settings from a YAML file")
    .option("--db <path>", "database file, or `:memory:`")
    .option("--ip <address>", "address to listen on")
    .option("--port <port>", "gRPC port; 0 lets the system choose")
    .option("--http-port <port>", "port of health checks and metrics, or `off`")
    .option("--headless", "no HTTP port (the same as --http-port off)")
    .option("--namespace <name>", "namespace to have from the start, with `=3d` for its retention; repeatable", collect)
    .option("--retention <duration>", "how long closed runs can be read, such as 36h or 7d")
    .option("--search-attribute <Name=Type>", `search attribute (${searchAttributeTypes.join(", ")}); repeatable`, collect)
    .option("--policy <file>", "policy that decides what workers may do; repeatable", collect)
    .option("--require-policy", "deny every action while no policy is published")
    .option("--tls-cert <file>", "certificate of the server (PEM): every port speaks TLS")
    .option("--tls-key <file>", "its private key (PEM)")
    .option("--tls-client-ca <file>", "authorities that vouch for clients (PEM)")
    .option("--tls-client-cert <mode>", `certificates of clients: ${clientCertificateModes.join(", ")}`)
    .option("--allow-unauthenticated", allowUnauthenticatedMeaning)
    .option("--log-level <level>", logLevels.join(", "))
    .option("--log-format <format>", logFormats.join(" or "));

const flagNames: { readonly [path: string]: string } = {
  db: "--db",
  ip: "--ip",
  port: "--port",
  httpPort: "--http-port",
  namespaces: "--namespace",
  retention: "--retention",
  searchAttributes: "--search-attribute",
  policy: "--policy",
  requirePolicy: "--require-policy",
  "auth.required": "--allow-unauthenticated",
  "auth.allowUnauthenticated": "--allow-unauthenticated",
  "tls.cert": "--tls-cert",
  "tls.key": "--tls-key",
  "tls.clientCa": "--tls-client-ca",
  "tls.clientCert": "--tls-client-cert",
  "log.level": "--log-level",
  "log.format": "--log-format",
};

const flagLayer = (options: ServerOptions): ConfigLayer => ({
  values: {
    db: options.db,
    ip: options.ip,
    port: options.port,
    httpPort: options.headless ? "off" : options.httpPort,
    namespaces: options.namespace && namespacesFrom(options.namespace),
    retention: options.retention,
    searchAttributes: options.searchAttribute && searchAttributesFrom(options.searchAttribute),
    policy: options.policy,
    requirePolicy: options.requirePolicy,
    tls: { cert: options.tlsCert, key: options.tlsKey, clientCa: options.tlsClientCa, clientCert: options.tlsClientCert },
    auth: authOf(options),
    log: { level: options.logLevel, format: options.logFormat },
  },
  nameOf: (path) => {
    const flag = flagNames[path.slice(0, 2).join(".")] ?? flagNames[path[0] ?? ""] ?? path.join(".");
    return path[0] === "searchAttributes" ? `${flag} ${path[1]}` : flag;
  },
});

/** Defaults of one command rather than of the server. */
export const commandDefaults = (values: ConfigValues): ConfigLayer => ({ values, nameOf: (path) => path.join(".") });

/** Command's defaults, file, environment, flags. Throws a UsageError with everything that is wrong. */
export async function configOf(defaults: ConfigValues, options: ServerOptions, environment: NodeJS.ProcessEnv): Promise<Config> {
  const file = options.config ?? environment[configFileVariable];
  const fromEnvironment = environmentLayer(environment);
  if (!fromEnvironment.ok) throw new UsageError(fromEnvironment.error);
  const fromFile = file === undefined ? null : await fileLayer(file);
  if (fromFile !== null && !fromFile.ok) throw new UsageError(fromFile.error);
  return configFrom([commandDefaults(defaults), ...(fromFile === null ? [] : [fromFile.value]), fromEnvironment.value, flagLayer(options)]);
}

export function configFrom(layers: readonly ConfigLayer[]): Config {
  const config = resolveConfig(layers);
  if (!config.ok) throw new UsageError(config.error);
  return config.value;
}
