import type { Command } from "commander";
import type { ConfigLayer, ConfigValues } from "../config/config.ts";
import { namespacesFrom, searchAttributesFrom } from "../config/sources.ts";
import { type CliContext, type Finish, UsageError } from "./context.ts";
import { allowUnauthenticatedMeaning, authOf, collect, configFrom } from "./server-options.ts";

type StartDevOptions = {
  readonly dbFilename?: string;
  readonly ip?: string;
  readonly port?: string;
  readonly httpPort?: string;
  readonly uiPort?: string;
  readonly headless?: true;
  readonly namespace?: readonly string[];
  readonly searchAttribute?: readonly string[];
  readonly dynamicConfigValue?: readonly string[];
  readonly allowUnauthenticated?: true;
  readonly logLevel?: string;
  readonly logFormat?: string;
};

/**
 * `holdfast server start-dev`: the command line of Temporal's development server, which its testing packages start. In memory unless
 * `--db-filename` is given, and without an HTTP port unless one is asked for. Flags that mean nothing here are accepted.
 */
export function addStartDevCommand(server: Command, context: CliContext, finish: Finish): void {
  server
    .command("start-dev")
    .summary("the same command line as Temporal's development server")
    .option("--db-filename <path>", "keep data in this file rather than in memory")
    .option("--ip <address>")
    .option("--port <port>", "gRPC port")
    .option("--http-port <port>", "port of health checks and metrics")
    .option("--ui-port <port>", "the same as --http-port")
    .option("--headless", "no HTTP port")
    .option("--namespace <name>", "repeatable", collect)
    .option("--search-attribute <Name=Type>", "repeatable", collect)
    .option(
      "--dynamic-config-value <key=value>",
      "limits and long polls by Temporal's names, other keys have no effect; repeatable",
      collect,
    )
    .option("--allow-unauthenticated", allowUnauthenticatedMeaning)
    .option("--log-level <level>", "debug, info, warn, error or never")
    .option("--log-format <format>", "pretty, text or json")
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (options: StartDevOptions) => {
      const config = configFrom(layersOf(options));
      finish(await context.serve(config, ({ address }) => (config.log.level === "info" ? `ready: gRPC ${address}` : "")));
    });
}

const layersOf = (options: StartDevOptions): readonly ConfigLayer[] => [
  ...(options.dynamicConfigValue ?? []).map(dynamicConfigLayer),
  {
    values: {
      db: options.dbFilename ?? ":memory:",
      ip: options.ip,
      port: options.port,
      httpPort: options.headless ? "off" : (options.httpPort ?? options.uiPort ?? "off"),
      namespaces: namespacesFrom([...new Set(["default", ...(options.namespace ?? [])])]),
      auth: authOf(options),
      retention: "24h",
      searchAttributes: options.searchAttribute && searchAttributesFrom(options.searchAttribute),
      log: { level: options.logLevel === "never" ? "silent" : options.logLevel, format: options.logFormat === "json" ? "json" : "pretty" },
    },
    nameOf: (path) => `--${path.join(" ")}`,
  },
];

/** Settings that Temporal has under another name. Source: temporal `common/dynamicconfig/constants.go`. */
const dynamicConfig: { readonly [key: string]: (value: unknown) => ConfigValues } = {
  "limit.blobSize.error": (blobSizeError) => ({ limits: { blobSizeError } }),
  "limit.memoSize.error": (memoSizeError) => ({ limits: { memoSizeError } }),
  "limit.historySize.error": (historySizeError) => ({ limits: { historySizeError } }),
  "limit.historyCount.error": (historyCountError) => ({ limits: { historyCountError } }),
  "limit.historySize.suggestContinueAsNew": (suggestContinueAsNewSize) => ({ limits: { suggestContinueAsNewSize } }),
  "limit.historyCount.suggestContinueAsNew": (suggestContinueAsNewCount) => ({ limits: { suggestContinueAsNewCount } }),
  "limit.numPendingActivities.error": (pendingActivities) => ({ limits: { pendingActivities } }),
  "limit.numPendingChildExecutions.error": (pendingChildren) => ({ limits: { pendingChildren } }),
  "limit.numPendingSignals.error": (pendingSignals) => ({ limits: { pendingSignals } }),
  "limit.numPendingCancelRequests.error": (pendingCancels) => ({ limits: { pendingCancels } }),
  "limit.maxIDLength": (idLength) => ({ limits: { idLength } }),
  "history.maximumSignalsPerExecution": (signalsPerRun) => ({ limits: { signalsPerRun } }),
  "history.maxInFlightUpdates": (updatesInFlight) => ({ limits: { updatesInFlight } }),
  "history.maxTotalUpdates": (updatesPerRun) => ({ limits: { updatesPerRun } }),
  "history.maximumBufferedEventsBatch": (bufferedEvents) => ({ limits: { bufferedEvents } }),
  "history.longPollExpirationInterval": (interval) => ({ longPoll: { history: interval, update: interval } }),
  "matching.longPollExpirationInterval": (poll) => ({ longPoll: { poll } }),
};

function dynamicConfigLayer(pair: string): ConfigLayer {
  const at = pair.indexOf("=");
  if (at < 0) throw new UsageError([`--dynamic-config-value: expected KEY=VALUE, not ${JSON.stringify(pair)}`]);
  const key = pair.slice(0, at);
  const setting = Object.hasOwn(dynamicConfig, key) ? dynamicConfig[key] : undefined;
  return { values: setting?.(jsonOrText(pair.slice(at + 1))) ?? {}, nameOf: () => `--dynamic-config-value ${key}` };
}

/** The flag's values are JSON; shells tend to eat the quotes of a text. */
function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
