import type { Command } from "commander";
import { addAuditCheckpointCommand } from "./audit-checkpoint.ts";
import { addAuditExportCommand } from "./audit-export.ts";
import { addAuditListCommand } from "./audit-list.ts";
import { addAuditVerifyCommand } from "./audit-verify.ts";
import type { CliContext, Finish } from "./context.ts";

/** The ledger: who decided what. `verify` looks into a database file, the others ask a running server. */
export function addAuditCommand(program: Command, context: CliContext, finish: Finish): void {
  const audit = program
    .command("audit")
    .summary("read, export and verify the ledger of decisions")
    .addHelpText(
      "after",
      `
The namespace \`system\` has what concerns the whole server, such as policies that came into force.

Examples:
  holdfast audit list --since 24h --kind approval-vote,approval-closed
  holdfast audit export --since 2026-01-01T00:00:00Z --output january.jsonl
  holdfast audit checkpoint --as ada --output /mnt/worm/checkpoints.jsonl
  holdfast audit verify --db /backup/holdfast.db --public-key checkpoints.pem --kept /mnt/worm/checkpoints.jsonl`,
    );
  addAuditListCommand(audit, context, finish);
  addAuditExportCommand(audit, context, finish);
  addAuditCheckpointCommand(audit, context, finish);
  addAuditVerifyCommand(audit, context, finish);
}
