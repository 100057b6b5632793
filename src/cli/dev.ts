import { resolve } from "node:path";
import type { Command } from "commander";
import type { Config, ConfigValues } from "../config/config.ts";
import { isLoopback } from "../config/exposure.ts";
import { version } from "../version.ts";
import type { Addresses, CliContext, Finish } from "./context.ts";
import { addServerOptions, configOf, type ServerOptions } from "./server-options.ts";

/** Short enough that a laptop does not collect history, readable by people. */
const devDefaults: ConfigValues = { retention: "24h", log: { level: "info", format: "pretty" } };

export function addDevCommand(program: Command, context: CliContext, finish: Finish): void {
  addServerOptions(program.command("dev"))
    .summary("run a server for development, data in ./.holdfast")
    .description(
      "Runs a server for development: everything on, a readable log, data in ./.holdfast unless --db says otherwise. It asks nobody who they are, so that it listens on this machine alone.",
    )
    .addHelpText(
      "after",
      `
Examples:
  holdfast dev
  holdfast dev --db :memory: --port 0 --http-port off
  holdfast dev --namespace orders=48h --search-attribute CustomerId=Keyword`,
    )
    .action(async (options: ServerOptions) => {
      const config = await configOf(devDefaults, options, context.environment);
      finish(await context.serve(config, (addresses) => banner(config, addresses)));
    });
}

const accessOf = ({ ip, auth }: Config): string =>
  auth.required
    ? "for those who prove who they are"
    : `open: ${isLoopback(ip) ? "whatever runs on this machine" : `whoever reaches ${ip}`} may do everything`;

function banner(config: Config, { address, httpAddress }: Addresses): string {
  const secure = config.tls.cert !== null;
  const lines = [
    `Holdfast ${version}`,
    "",
    `  gRPC         ${address}`,
    httpAddress === null
      ? "  HTTP         off"
      : `  HTTP         ${secure ? "https" : "http"}://${httpAddress}  (/api/v1 /healthz /readyz /metrics)`,
    config.db === ":memory:" ? "  Data         in memory: gone when this process ends" : `  Data         ${resolve(config.db)}`,
    `  Access       ${accessOf(config)}`,
    `  Namespaces   ${config.namespaces.map(({ name }) => name).join(", ")}`,
    "",
    `Point a worker and a client of any Temporal SDK at the gRPC address, ${secure ? "with" : "without"} TLS. In TypeScript:`,
    `  await NativeConnection.connect({ address: "${address}"${secure ? ", tls: { serverRootCACertificate }" : ""} })`,
    "Ctrl-C stops the server; what it has accepted goes on at the next start.",
    "",
  ];
  return lines.join("\n");
}
