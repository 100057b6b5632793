import type { Command } from "commander";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import { type CliContext, type Finish, UsageError } from "./context.ts";
import { collect } from "./server-options.ts";
import { table } from "./table.ts";

type Role = {
  readonly name: string;
  readonly permissions: readonly string[];
  readonly origin: string;
  readonly updated_at: string | null;
  readonly updated_by: string | null;
};
type Shown = ApiOptions & { readonly json?: true };

/** What keys and tokens may allow. */
export function addRoleCommand(program: Command, context: CliContext, finish: Finish): void {
  const role = program
    .command("role")
    .summary("what roles allow, and roles of your own")
    .addHelpText(
      "after",
      `
Examples:
  holdfast role list
  holdfast role save submitter --permission jobs.read,jobs.write
  holdfast key create --name shop --role submitter --namespace orders`,
    );
  const print = (value: unknown, { json }: Shown, text: () => string): void =>
    context.print(json === true ? JSON.stringify(value, null, 2) : text());
  const pathOf = (name: string): string => `/auth/roles/${encodeURIComponent(name)}`;

  addApiOptions(role.command("list"))
    .summary("roles of every server, of the configuration and of your own")
    .option("--json", "print JSON")
    .action((options: Shown) =>
      withServer(context, finish, async () => {
        const response = await ask({ method: "GET", path: "/auth/roles" }, options, context);
        const { roles } = (await response.json()) as { readonly roles: readonly Role[] };
        const rows = roles.map(({ name, origin, permissions }) => [name, origin, permissions.join(" ")]);
        print(roles, options, () => table(["NAME", "FROM", "PERMISSIONS"], rows));
      }),
    );

  addApiOptions(role.command("show"))
    .summary("what one role allows, one permission a line")
    .argument("<name>")
    .option("--json", "print JSON")
    .action((name: string, options: Shown) =>
      withServer(context, finish, async () => {
        const found = (await (await ask({ method: "GET", path: pathOf(name) }, options, context)).json()) as Role;
        print(found, options, () => found.permissions.join("\n"));
      }),
    );

  addApiOptions(role.command("save"))
    .summary("make a role, or say anew what it allows")
    .argument("<name>")
    .option("--permission <permission>", "what it allows, with commas between several; repeatable", collect)
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action(async (name: string, options: Shown & { readonly permission?: readonly string[] }) => {
      const permissions = (options.permission ?? []).flatMap((some) => some.split(",")).map((one) => one.trim());
      if (permissions.length === 0) throw new UsageError(["say what the role allows: --permission jobs.read"]);
      await withServer(context, finish, async () => {
        const response = await ask({ method: "PUT", path: pathOf(name), body: { permissions } }, options, context);
        const saved = (await response.json()) as Role;
        print(saved, options, () => `${saved.name}: ${saved.permissions.join(" ")}`);
      });
    });

  addApiOptions(role.command("delete"))
    .summary("delete roles: whoever has them is left without what they allowed")
    .argument("<names...>")
    .option("--as <id>", "who you are")
    .action((names: readonly string[], options: ApiOptions) =>
      withServer(context, finish, async () => {
        for (const name of names) {
          await ask({ method: "DELETE", path: pathOf(name) }, options, context);
          context.print(name);
        }
      }),
    );
}
