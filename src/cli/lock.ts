import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../base/quantity.ts";
import { type ApiOptions, addApiOptions, ask, queryOf, withServer } from "./api-client.ts";
import { type CliContext, type Finish, UsageError } from "./context.ts";
import { oneLine, table } from "./table.ts";

type LockView = {
  readonly resource: string;
  readonly mode: string;
  readonly owners: { readonly [owner: string]: number };
  readonly updated_at: string;
  readonly expires_at: string;
};
type Options = ApiOptions & { readonly json?: true };
type HeldOptions = Options & { readonly owner: string; readonly ttl?: number };
type Forced = { readonly force?: true; readonly reason?: string };

/** Locks of resources, for workers and people that must not disturb each other. */
export function addLockCommand(program: Command, context: CliContext, finish: Finish): void {
  const lock = program
    .command("lock")
    .summary("who holds which resource, alone or with others")
    .addHelpText(
      "after",
      `
Examples:
  holdfast lock acquire db/orders --owner nightly-report --ttl 10m
  holdfast lock show db/orders
  holdfast lock renew db/orders --owner nightly-report --ttl 10m
  holdfast lock release db/orders --owner nightly-report
  holdfast lock release db/orders --force --as ada --reason "its worker is gone"`,
    );
  const print = (found: LockView, { json }: Options): void => context.print(json === true ? JSON.stringify(found, null, 2) : shown(found));
  const act = async (verb: string, body: object, options: Options): Promise<unknown> =>
    (await ask({ method: "POST", path: `/locks/${verb}`, body }, options, context)).json();

  addApiOptions(lock.command("show"))
    .summary("who holds a resource, and until when")
    .argument("<resource>")
    .option("--json", "print JSON")
    .action((resource: string, options: Options) =>
      withServer(context, finish, async () => {
        const response = await ask({ method: "GET", path: `/locks?${queryOf({ resource })}` }, options, context);
        print((await response.json()) as LockView, options);
      }),
    );

  addForce(addTtl(addApiOptions(lock.command("acquire"))))
    .summary("lock a resource, or fail at once when others hold it")
    .argument("<resource>")
    .requiredOption("--owner <name>", "who holds it")
    .option("--shared", "with others that share it")
    .action((resource: string, { owner, ttl, shared, force, reason, ...options }: HeldOptions & Forced & { readonly shared?: true }) =>
      withServer(context, finish, async () => {
        const mode = shared === true ? "shared" : "exclusive";
        print((await act("acquire", { resource, owner, mode, ttl_ms: ttl, force, reason }, options)) as LockView, options);
      }),
    );

  addTtl(addApiOptions(lock.command("renew")))
    .summary("set how long a hold still lasts")
    .argument("<resource>")
    .requiredOption("--owner <name>", "who holds it")
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action((resource: string, { owner, ttl, ...options }: HeldOptions) =>
      withServer(context, finish, async () => {
        print((await act("renew", { resource, owner, ttl_ms: ttl }, options)) as LockView, options);
      }),
    );

  addForce(addApiOptions(lock.command("release")))
    .summary("release a resource once, or free it of all who hold it with --force")
    .argument("<resource>")
    .option("--owner <name>", "who holds it")
    .action(async (resource: string, { owner, force, reason, ...options }: Options & Forced & { readonly owner?: string }) => {
      if ((owner === undefined) !== (force === true)) throw new UsageError(["say --owner, or --force to end what everybody holds"]);
      await withServer(context, finish, async () => {
        const released = (await act("release", { resource, owner, force, reason }, options)) as { readonly lock: LockView | null };
        if (options.json === true) context.print(JSON.stringify(released, null, 2));
        else context.print(released.lock === null ? `${oneLine(resource)} is free` : shown(released.lock));
      });
    });
}

const addTtl = (command: Command): Command =>
  command.option("--ttl <duration>", "how long it lasts, such as 10m (default 30s, at most 1d)", durationFrom);

const addForce = (command: Command): Command =>
  command
    .option("--force", "end what others hold; it is in the ledger")
    .option("--reason <text>", "why, for the ledger")
    .option("--as <id>", "who you are")
    .option("--json", "print JSON");

function durationFrom(text: string): number {
  const duration = parseDuration(text);
  if (duration === undefined) throw new InvalidArgumentError("expected a duration such as 30s or 10m");
  return duration;
}

const shown = ({ resource, mode, owners, expires_at }: LockView): string =>
  table(
    ["RESOURCE", "MODE", "OWNER", "TIMES", "UNTIL"],
    Object.entries(owners).map(([owner, count]) => [resource, mode, owner, String(count), expires_at]),
  );
