import { type Command, InvalidArgumentError } from "commander";
import { parseCount, parseDuration } from "../base/quantity.ts";
import { type ApiOptions, addApiOptions, ask, withServer } from "./api-client.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { table } from "./table.ts";
import { textIn, textOf } from "./text-file.ts";

type Endpoint = {
  readonly id: string;
  readonly task_queues: string;
  readonly url: string;
  readonly header_names: readonly string[];
  readonly timeout_ms: number;
  readonly max_concurrent: number;
  readonly enabled: boolean;
  readonly origin: string;
  readonly previous_secret_until: string | null;
  readonly updated_by: string;
  readonly updated_at: string;
};
type Saved = Endpoint & { readonly secret: string | null };
type Tested = { readonly ok: boolean; readonly status: number | null; readonly error: string | null; readonly duration_ms: number };

type Shown = ApiOptions & { readonly json?: true };
type PutOptions = Shown & {
  readonly taskQueues?: string;
  readonly url?: string;
  readonly header?: { readonly [name: string]: string };
  readonly timeout?: number;
  readonly maxConcurrent?: number;
  readonly enable?: true;
  readonly disable?: true;
  readonly secretFile?: string;
  readonly rotateSecret?: true;
};

/** Where a running server pushes tasks to. */
export function addEndpointCommand(program: Command, context: CliContext, finish: Finish): void {
  const endpoint = program
    .command("endpoint")
    .summary("register HTTPS endpoints that tasks are pushed to")
    .addHelpText(
      "after",
      `
Examples:
  holdfast endpoint put deploys --task-queues 'job.deploy.*' --url https://deploys.example.com/tasks
  holdfast endpoint test deploys
  holdfast endpoint put deploys --rotate-secret
  holdfast endpoint put deploys --disable`,
    );
  const print = (value: unknown, { json }: Shown, text: () => string): void =>
    context.print(json === true ? JSON.stringify(value, null, 2) : text());
  const pathOf = (id: string): string => `/endpoints/${encodeURIComponent(id)}`;

  addJson(addApiOptions(endpoint.command("list")))
    .summary("the endpoints, by id")
    .action((options: Shown) =>
      withServer(context, finish, async () => {
        const response = await ask({ method: "GET", path: "/endpoints" }, options, context);
        const { endpoints } = (await response.json()) as { readonly endpoints: readonly Endpoint[] };
        print(endpoints, options, () =>
          endpoints.length === 0
            ? "there are no endpoints"
            : table(["ID", "TASK QUEUES", "URL", "AT ONCE", "TIMEOUT", "ENABLED", "FROM"], endpoints.map(rowOf)),
        );
      }),
    );

  addJson(addApiOptions(endpoint.command("show")))
    .summary("one endpoint, without its secrets")
    .argument("<id>")
    .action((id: string, options: Shown) =>
      withServer(context, finish, async () => {
        const found = (await (await ask({ method: "GET", path: pathOf(id) }, options, context)).json()) as Endpoint;
        print(found, options, () => details(found));
      }),
    );

  addJson(addApiOptions(endpoint.command("put")))
    .summary("register an endpoint, or change what is said of it; a secret that is made is printed once")
    .argument("<id>")
    .option("--task-queues <pattern>", "a task queue, or a pattern such as job.deploy.*")
    .option("--url <url>", "where tasks are sent")
    .option("--header <name=value>", "sent with each task, @file for what a file holds; replaces all headers", addHeader)
    .option("--timeout <duration>", "how long an answer may take", durationFrom)
    .option("--max-concurrent <count>", "requests that are open at one time", countFrom)
    .option("--enable", "push tasks to it")
    .option("--disable", "push no tasks to it")
    .option("--secret-file <file>", "a secret of your own, whsec_…; - for stdin")
    .option("--rotate-secret", "make another secret; the one before signs as well for a day")
    .option("--as <id>", "who you are")
    .action(async (id: string, options: PutOptions) => {
      if (options.enable === true && options.disable === true) {
        context.complain("holdfast: say --enable or --disable");
        return finish(exitCodes.usage);
      }
      await withServer(context, finish, async () => {
        const response = await ask({ method: "PUT", path: pathOf(id), body: bodyOf(options) }, options, context);
        const saved = (await response.json()) as Saved;
        const { secret } = saved;
        print(saved, options, () =>
          secret === null ? details(saved) : `${details(saved)}\nSecret        ${secret}\nKeep it: nobody is told it again.`,
        );
      });
    });

  addJson(addApiOptions(endpoint.command("test")))
    .summary("send a signed request that asks for nothing, and tell how it was answered")
    .argument("<id>")
    .action(async (id: string, options: Shown) => {
      let isFine = true;
      await withServer(
        context,
        (exitCode) => finish(exitCode === exitCodes.ok && !isFine ? exitCodes.failure : exitCode),
        async () => {
          const tested = (await (await ask({ method: "POST", path: `${pathOf(id)}/test` }, options, context)).json()) as Tested;
          isFine = tested.ok;
          print(tested, options, () => `${tested.error ?? `answered ${tested.status}`} (${tested.duration_ms} ms)`);
        },
      );
    });

  addApiOptions(endpoint.command("delete"))
    .summary("delete endpoints; requests that are open end as they end")
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

const addJson = (command: Command): Command => command.option("--json", "print JSON");

function bodyOf({ taskQueues, url, header, timeout, maxConcurrent, enable, disable, secretFile, rotateSecret }: PutOptions): object {
  return {
    task_queues: taskQueues,
    url,
    headers: header,
    timeout_ms: timeout,
    max_concurrent: maxConcurrent,
    enabled: enable ?? (disable === true ? false : undefined),
    secret: secretFile === undefined ? undefined : textIn(secretFile).trim(),
    rotate_secret: rotateSecret,
  };
}

function addHeader(pair: string, before: PutOptions["header"] = {}): PutOptions["header"] {
  const at = pair.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("expected name=value");
  const value = pair.slice(at + 1);
  return { ...before, [pair.slice(0, at)]: value.startsWith("@") ? textOf(value.slice(1)).trim() : value };
}

function durationFrom(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("expected a duration such as 30s");
  return ms;
}

function countFrom(text: string): number {
  const count = parseCount(text);
  if (count === undefined) throw new InvalidArgumentError("expected a whole number above 0");
  return count;
}

const rowOf = ({ id, task_queues, url, max_concurrent, timeout_ms, enabled, origin }: Endpoint): readonly string[] => [
  id,
  task_queues,
  url,
  String(max_concurrent),
  `${timeout_ms} ms`,
  enabled ? "yes" : "no",
  origin,
];

function details(endpoint: Endpoint): string {
  const { id, task_queues, url, header_names, timeout_ms, max_concurrent, enabled, origin, previous_secret_until } = endpoint;
  const lines: readonly (readonly [string, string])[] = [
    ["ID", id],
    ["Task queues", task_queues],
    ["URL", url],
    ["Headers", header_names.join(", ") || "none"],
    ["Timeout", `${timeout_ms} ms`],
    ["At once", String(max_concurrent)],
    ["Enabled", enabled ? "yes" : "no"],
    ["From", origin],
    ["Changed", `${endpoint.updated_at} by ${endpoint.updated_by}`],
    ...(previous_secret_until === null ? [] : [["Old secret", `signs as well until ${previous_secret_until}`] as const]),
  ];
  return lines.map(([name, value]) => `${name.padEnd(14)}${value}`).join("\n");
}
