import { Command, CommanderError, Help } from "commander";
import { addApprovalCommand } from "./approval.ts";
import { addArtifactCommand } from "./artifact.ts";
import { addAuditCommand } from "./audit.ts";
import { addCompletionCommand } from "./completion.ts";
import { addConfigCommand } from "./config.ts";
import { type CliContext, exitCodes, type Finish, UsageError } from "./context.ts";
import { addDevCommand } from "./dev.ts";
import { addDlqCommand } from "./dlq.ts";
import { addDoctorCommand } from "./doctor.ts";
import { addEndpointCommand } from "./endpoint.ts";
import { addJobCommand } from "./job.ts";
import { addKeyCommand } from "./key.ts";
import { addLockCommand } from "./lock.ts";
import { addPolicyCommand } from "./policy.ts";
import { addRoleCommand } from "./role.ts";
import { addRunCommand } from "./run.ts";
import { addSchemaCommand } from "./schema.ts";
import { addServerCommand } from "./server.ts";
import { printable } from "./table.ts";
import { addTestServerCommand } from "./test-server.ts";
import { addTraceCommand } from "./trace.ts";
import { addVersionCommand } from "./version.ts";
import { addWhoamiCommand } from "./whoami.ts";
import { addWorkflowCommand } from "./workflow.ts";

/** Carries out one command line (without node and script) and returns the exit code. */
export async function runCli(args: readonly string[], given: CliContext): Promise<number> {
  const context: CliContext = { ...given, print: (text) => given.print(printable(text)) };
  let exitCode: number = exitCodes.ok;
  const finish = (code: number): void => {
    exitCode = code;
  };
  try {
    await program(context, finish).parseAsync(inOurWords(args), { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its own message by now.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (error instanceof UsageError) {
      for (const sentence of error.sentences) context.complain(`holdfast: ${sentence}`);
      return exitCodes.usage;
    }
    throw error;
  }
}

/** Temporal's testing packages start their test server as `<command> PORT …`. */
const inOurWords = (args: readonly string[]): readonly string[] => (/^\d+$/.test(args[0] ?? "") ? ["test-server", ...args] : args);

function program(context: CliContext, finish: Finish): Command {
  const holdfast = new Command("holdfast")
    .description("Durable execution for any Temporal SDK, in one process.")
    .configureOutput({ writeOut: (text) => context.print(text.trimEnd()), writeErr: (text) => context.complain(text.trimEnd()) })
    .configureHelp({ subcommandTerm: (command) => new Help().subcommandTerm(command).replace(" [options]", "") })
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpText(
      "after",
      `
Start here:
  holdfast dev                          a server on this machine, data in ./.holdfast
  holdfast dev --db :memory:            the same, forgetting everything at the end
  holdfast server --config FILE         a server to keep running
  holdfast workflow create FILE         a graph of steps, to be run on a running server
  holdfast run start WORKFLOW           run it
  holdfast policy test FILE             check a policy, without a server
  holdfast approval list                what waits for people, on a running server
  holdfast audit list                   who decided what
  holdfast job submit --topic TOPIC     a job for the workers of a topic
  holdfast dlq list                     jobs that failed for good
  holdfast key bootstrap                the first key, of a server that asks who calls
  holdfast doctor                       what is stuck on a running server, and why

Every setting of a server can be given in a file (--config), as HOLDFAST_* in the environment, or as a flag; the later wins.

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration.`,
    );
  addDevCommand(holdfast, context, finish);
  addServerCommand(holdfast, context, finish);
  addWorkflowCommand(holdfast, context, finish);
  addRunCommand(holdfast, context, finish);
  addPolicyCommand(holdfast, context, finish);
  addApprovalCommand(holdfast, context, finish);
  addAuditCommand(holdfast, context, finish);
  addJobCommand(holdfast, context, finish);
  addDlqCommand(holdfast, context, finish);
  addSchemaCommand(holdfast, context, finish);
  addLockCommand(holdfast, context, finish);
  addArtifactCommand(holdfast, context, finish);
  addEndpointCommand(holdfast, context, finish);
  addConfigCommand(holdfast, context, finish);
  addTraceCommand(holdfast, context, finish);
  addKeyCommand(holdfast, context, finish);
  addRoleCommand(holdfast, context, finish);
  addWhoamiCommand(holdfast, context, finish);
  addDoctorCommand(holdfast, context, finish);
  addCompletionCommand(holdfast, context);
  addVersionCommand(holdfast, context);
  addTestServerCommand(holdfast, context, finish);
  return holdfast;
}
