import type { Command } from "commander";
import { version } from "../version.ts";
import type { CliContext } from "./context.ts";

export function addVersionCommand(program: Command, context: CliContext): void {
  program
    .command("version")
    .summary("print the version")
    .action(() => context.print(`holdfast ${version} (Node.js ${process.versions.node}, ${process.platform} ${process.arch})`));
}
