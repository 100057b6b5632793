import type { Command } from "commander";
import { listed, withServer } from "./api-client.ts";
import { type AuditOptions, addAuditOptions, auditParameters } from "./audit-options.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { table } from "./table.ts";

type Options = AuditOptions & { readonly limit: number; readonly json?: true };

export function addAuditListCommand(audit: Command, context: CliContext, finish: Finish): void {
  addAuditOptions(audit.command("list"))
    .summary("entries of the ledger, oldest first")
    .option("--limit <count>", "at most so many", limitFrom, 100)
    .option("--json", "print JSON")
    .action((options: Options) =>
      withServer(context, finish, async () => {
        const entries = await listed<Entry>("/audit", auditParameters(options), options.limit, options, context);
        if (options.json === true) context.print(JSON.stringify(entries, null, 2));
        else if (entries.length === 0) context.print("the ledger has no such entries");
        else context.print(table(["TIME", "KIND", "RUN", "WHAT"], entries.map(rowOf)));
      }),
    );
}

type Entry = {
  readonly at: string;
  readonly kind: string;
  readonly run_id: string | null;
  readonly body: { readonly [name: string]: unknown };
};

const rowOf = ({ at, kind, run_id, body }: Entry): readonly string[] => [at, kind, run_id ?? "", factsOf(body)];

/** `effect=DENY rule=no-secrets`: what stands in the body and says something; `--json` has all of it. */
const factsOf = (body: Entry["body"]): string =>
  Object.entries(body)
    .map(([name, value]) => [name, factOf(value)] as const)
    .filter(([, fact]) => fact !== "")
    .map(([name, fact]) => `${name}=${fact}`)
    .join(" ");

function factOf(value: unknown): string {
  if (typeof value === "string") return value.replace(/^([0-9a-f]{12})[0-9a-f]{52}$/, "$1…");
  if (Array.isArray(value)) return value.map(factOf).join(",");
  if (typeof value !== "object" || value === null) return value === null ? "" : String(value);
  // A principal is known by its id; other parts are too long for a line.
  return "id" in value ? factOf(value.id) : "";
}
