import type { Command } from "commander";
import { printable } from "../config/config.ts";
import { version } from "../version.ts";
import { type CliContext, type Finish, UsageError } from "./context.ts";
import { addServerOptions, configOf, type ServerOptions } from "./server-options.ts";
import { addStartDevCommand } from "./start-dev.ts";

const unauthenticated =
  "with `auth.required: false`, whoever reaches this server may do everything: leave it out, or say --allow-unauthenticated";

export function addServerCommand(program: Command, context: CliContext, finish: Finish): void {
  const server = addServerOptions(program.command("server"))
    .summary("run a server from a configuration, to keep running")
    .description(
      "Runs a server with what its configuration says, prints that configuration without secrets, and logs JSON lines to stderr.",
    )
    .addHelpText(
      "after",
      `
Callers prove who they are, by key, token or certificate: the first key is made with \`holdfast key bootstrap\`.
SIGTERM drains: no new polls, answers in flight finish, then it exits with 0. A second signal exits at once.

Examples:
  holdfast server --config /etc/holdfast.yaml
  HOLDFAST_DB=/var/lib/holdfast/holdfast.db HOLDFAST_IP=0.0.0.0 holdfast server`,
    )
    .action(async (options: ServerOptions) => {
      const config = await configOf({ auth: { required: true } }, options, context.environment);
      if (!config.auth.required && !config.auth.allowUnauthenticated) throw new UsageError([unauthenticated]);
      context.print(`Holdfast ${version}\n${printable(config).replace(/^/gm, "  ")}`);
      finish(await context.serve(config, ({ address, httpAddress }) => `ready: gRPC ${address}, HTTP ${httpAddress ?? "off"}`));
    });
  addStartDevCommand(server, context, finish);
}
