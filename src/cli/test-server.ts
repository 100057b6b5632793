import type { Command } from "commander";
import type { CliContext, Finish } from "./context.ts";
import { configFrom } from "./server-options.ts";

/** `holdfast PORT`: the command line of Temporal's test server, which its testing packages start. In memory, and clients may move the clock. */
export function addTestServerCommand(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("test-server", { hidden: true })
    .argument("<port>")
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (port: string) => {
      const values = { db: ":memory:", port, httpPort: "off", timeSkipping: true, log: { level: "warn", format: "pretty" } };
      finish(await context.serve(configFrom([{ values, nameOf: (path) => path.join(".") }]), () => ""));
    });
}
