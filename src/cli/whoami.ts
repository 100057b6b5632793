import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { type Grant, grantsText } from "./key.ts";

type Session = {
  readonly principal: { readonly id: string; readonly kind: string } | null;
  readonly credential: { readonly kind: string; readonly id: string } | null;
  readonly tenant: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly grants: readonly Grant[];
  readonly task_queues: readonly string[] | null;
  readonly expires_at: string | null;
};

/** What a running server takes the caller for. */
export function addWhoamiCommand(program: Command, context: CliContext, finish: Finish): void {
  addApiOptions(program.command("whoami"))
    .summary("who a running server takes you for, and what you may do there")
    .option("--json", "print JSON")
    .action((options: ApiOptions & { readonly json?: true }) =>
      withServer(context, finish, async () => {
        const session = (await (await ask({ method: "GET", path: "/auth/session" }, options, context)).json()) as Session;
        context.print(options.json === true ? JSON.stringify(session, null, 2) : details(session));
      }),
    );
}

function details({ principal, credential, tenant, roles, permissions, grants, task_queues, expires_at }: Session): string {
  if (principal === null) return "anybody: this server asks nobody who they are, and lets everybody do everything";
  return [
    ["Principal", `${principal.id} (${principal.kind})`],
    ["Credential", `${credential?.kind} ${credential?.id}`],
    ["Expires", expires_at ?? "never"],
    ["Grants", grantsText(grants)],
    ["Task queues", task_queues?.join(", ") ?? "all"],
    ["Namespace", tenant],
    ["Roles", roles.join(" ") || "none here"],
    ["Permissions", permissions.join(" ") || "none here"],
  ]
    .map(([title = "", value]) => `${title.padEnd(14)}${value}`)
    .join("\n");
}
