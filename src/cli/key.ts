import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../base/quantity.ts";
import { defaultConfig } from "../config/config.ts";
import { bootstrapTokenVariable } from "../config/sources.ts";
import { type ApiOptions, addAddressOption, addApiOptions, ask, listed, withServer } from "./api-client.ts";
import { type CliContext, type Finish, UsageError } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { collect } from "./server-options.ts";
import { table } from "./table.ts";
import { textIn } from "./text-file.ts";

export type Grant = { readonly namespaces: readonly string[]; readonly roles: readonly string[] };

type Key = {
  readonly id: string;
  readonly name: string;
  readonly principal: string;
  readonly kind: string;
  readonly grants: readonly Grant[];
  readonly task_queues: readonly string[] | null;
  readonly status: string;
  readonly created_at: string;
  readonly created_by: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
  readonly revoked_at: string | null;
  readonly revoked_by: string | null;
  readonly rotated_from: string | null;
};
type NewKey = Key & { readonly key: string };

type Shown = ApiOptions & { readonly json?: true };
type CreateOptions = Omit<Shown, "role" | "namespace"> & {
  readonly name: string;
  readonly namespace?: readonly string[];
  readonly role?: readonly string[];
  readonly grant?: readonly Grant[];
  readonly taskQueue?: readonly string[];
  readonly principal?: string;
  readonly kind?: string;
  readonly expires?: string;
};

/** Keys by which callers of a running server prove who they are. The text of a new one is all that goes to stdout, so that it can be piped. */
export function addKeyCommand(program: Command, context: CliContext, finish: Finish): void {
  const key = program
    .command("key")
    .summary("make, list, rotate and revoke API keys")
    .addHelpText(
      "after",
      `
Examples:
  holdfast key bootstrap > admin.key
  holdfast key create --name ci --role worker --namespace orders --task-queue 'orders-*' --expires 90d
  holdfast key create --name ann --kind human --grant orders:developer --grant 'orders,billing:approver'
  holdfast key rotate 3f0c9a… --overlap 2h > ci.key
  holdfast key revoke 3f0c9a…`,
    );
  const pathOf = (id: string): string => `/auth/keys/${encodeURIComponent(id)}`;
  const printNew = (made: NewKey, { json }: Shown): void => {
    context.print(json === true ? JSON.stringify(made, null, 2) : made.key);
    context.complain(`${details(made)}\nKeep the key: nobody is told it again.`);
  };

  addAddressOption(key.command("bootstrap"))
    .summary("the first key of an administrator, for whoever can read the server's token")
    .option("--token-file <file>", `the server's token; - for stdin (or ${bootstrapTokenVariable}; default: beside the database)`)
    .option("--name <name>", "whose key it is", "admin")
    .option("--json", "print JSON")
    .action((options: Shown & { readonly tokenFile?: string; readonly name: string }) =>
      withServer(context, finish, async () => {
        const body = { token: tokenOf(options, context.environment), name: options.name };
        printNew((await (await ask({ method: "POST", path: "/auth/bootstrap", body }, options, context)).json()) as NewKey, options);
      }),
    );

  addAddressOption(key.command("create"))
    .summary("make a key; its text is printed once, and kept nowhere")
    .requiredOption("--name <name>", "for people: what it is for")
    .option("--namespace <name>", "where it holds: a name, a beginning and *, or * for everywhere; repeatable", collect)
    .option("--role <role>", "what it allows there; repeatable", collect)
    .option("--grant <namespaces:roles>", "further roles in other namespaces, with commas between names; repeatable", collectGrant)
    .option("--task-queue <name>", "tasks that it may take: a task queue, or a beginning and *; repeatable; without it, of all", collect)
    .option("--principal <id>", "whom it stands for in decisions and in the ledger; default: its name")
    .option("--kind <kind>", "human or service", "service")
    .option("--expires <duration>", "when it ends, such as 90d; without it, never", durationFrom)
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action(async ({ namespace: namespaces = [], role: roles = [], ...options }: CreateOptions) => {
      if (namespaces.length > 0 !== roles.length > 0) throw new UsageError(["--namespace and --role belong together"]);
      const grants = [...(roles.length === 0 ? [] : [{ namespaces, roles }]), ...(options.grant ?? [])];
      if (grants.length === 0) throw new UsageError(["say what the key allows: --role and --namespace, or --grant"]);
      // Whoever administers one namespace asks there.
      const [namespace] = grants.flatMap((grant) => grant.namespaces).filter((name) => !name.endsWith("*"));
      await withServer(context, finish, async () => {
        const { name, principal, kind, expires: expires_in, taskQueue: task_queues } = options;
        const body = { name, principal, kind, grants, task_queues, expires_in };
        const asked = { ...options, ...(namespace === undefined ? {} : { namespace }) };
        printNew((await (await ask({ method: "POST", path: "/auth/keys", body }, asked, context)).json()) as NewKey, options);
      });
    });

  addApiOptions(key.command("list"))
    .summary("keys, the oldest first, also those that have ended")
    .option("--status <status>", "those that are active, expired or revoked, with commas between them")
    .option("--principal <id>", "those of one principal")
    .option("--limit <count>", "at most so many", limitFrom, 100)
    .option("--json", "print JSON")
    .action((options: Shown & { readonly status?: string; readonly principal?: string; readonly limit: number }) =>
      withServer(context, finish, async () => {
        const { status, principal, limit } = options;
        const keys = await listed<Key>("/auth/keys", { status, principal }, limit, options, context);
        if (options.json === true) context.print(JSON.stringify(keys, null, 2));
        else if (keys.length === 0) context.print("there are no keys");
        else context.print(table(["ID", "NAME", "PRINCIPAL", "GRANTS", "STATUS", "EXPIRES", "LAST USED"], keys.map(rowOf)));
      }),
    );

  addApiOptions(key.command("show"))
    .summary("one key, without its text")
    .argument("<id>")
    .option("--json", "print JSON")
    .action((id: string, options: Shown) =>
      withServer(context, finish, async () => {
        const found = (await (await ask({ method: "GET", path: pathOf(id) }, options, context)).json()) as Key;
        context.print(options.json === true ? JSON.stringify(found, null, 2) : details(found));
      }),
    );

  addApiOptions(key.command("rotate"))
    .summary("make a key in the place of another, which holds a while longer")
    .argument("<id>")
    .option("--overlap <duration>", "how long the old one still holds, at most 30d; 0s ends it at once", "24h")
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action((id: string, options: Shown & { readonly overlap: string }) =>
      withServer(context, finish, async () => {
        const body = { overlap: options.overlap };
        printNew((await (await ask({ method: "POST", path: `${pathOf(id)}/rotate`, body }, options, context)).json()) as NewKey, options);
      }),
    );

  addApiOptions(key.command("revoke"))
    .summary("end keys at once, with what they have open")
    .argument("<ids...>")
    .option("--as <id>", "who you are")
    .action((ids: readonly string[], options: ApiOptions) =>
      withServer(context, finish, async () => {
        for (const id of ids) {
          await ask({ method: "DELETE", path: pathOf(id) }, options, context);
          context.print(id);
        }
      }),
    );
}

/** Of a file that is named, else of the environment, else where a server on this machine leaves it. */
function tokenOf({ tokenFile }: { readonly tokenFile?: string }, environment: NodeJS.ProcessEnv): string {
  if (tokenFile !== undefined) return textIn(tokenFile).trim();
  const given = environment[bootstrapTokenVariable]?.trim();
  if (given !== undefined && given !== "") return given;
  const file = join(dirname(environment.HOLDFAST_DB ?? defaultConfig.db), "bootstrap-token");
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    throw new UsageError([
      `there is no token in ${file}: name the file beside the server's database with --token-file, or set ${bootstrapTokenVariable}; a server has one while no administrator has a key`,
    ]);
  }
}

function collectGrant(text: string, former: readonly Grant[] = []): readonly Grant[] {
  const at = text.lastIndexOf(":");
  const namesIn = (part: string): readonly string[] =>
    part
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "");
  const grant = { namespaces: namesIn(text.slice(0, Math.max(0, at))), roles: namesIn(text.slice(at + 1)) };
  if (at < 0 || grant.namespaces.length === 0 || grant.roles.length === 0)
    throw new InvalidArgumentError("expected namespaces:roles, such as orders,billing:developer");
  return [...former, grant];
}

function durationFrom(text: string): string {
  if (parseDuration(text) === undefined) throw new InvalidArgumentError("expected a duration such as 90d");
  return text;
}

export const grantsText = (grants: readonly Grant[]): string =>
  grants.map(({ namespaces, roles }) => `${namespaces.join(",")}:${roles.join(",")}`).join(" ");

const rowOf = ({ id, name, principal, grants, status, expires_at, last_used_at }: Key): readonly string[] => [
  id,
  name,
  principal,
  grantsText(grants),
  status,
  expires_at ?? "never",
  last_used_at ?? "never",
];

function details(key: Key): string {
  const { id, name, principal, kind, grants, task_queues, status, created_at, created_by, expires_at, last_used_at } = key;
  const lines: readonly (readonly [string, string])[] = [
    ["ID", id],
    ["Name", name],
    ["Principal", `${principal} (${kind})`],
    ["Grants", grantsText(grants)],
    ["Task queues", task_queues?.join(", ") ?? "all"],
    ["Status", status],
    ["Created", `${created_at} by ${created_by}`],
    ["Expires", expires_at ?? "never"],
    ["Last used", last_used_at ?? "never"],
    ...(key.revoked_at === null ? [] : [["Revoked", `${key.revoked_at} by ${key.revoked_by ?? ""}`] as const]),
    ...(key.rotated_from === null ? [] : [["In place of", key.rotated_from] as const]),
  ];
  return lines.map(([title, value]) => `${title.padEnd(14)}${value}`).join("\n");
}
