import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { addApiOptions, ask, withServer } from "./api-client.ts";
import { timeFrom } from "./audit-options.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { loadPolicies, sentence } from "./policy-files.ts";
import { table } from "./table.ts";

type Options = {
  readonly address?: string;
  readonly namespace?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
  readonly json?: true;
};

export function addPolicyBacktestCommand(policy: Command, context: CliContext, finish: Finish): void {
  addApiOptions(policy.command("backtest"))
    .summary("try a candidate policy on what a server has decided")
    .description(
      "Lets a running server decide its recorded actions again by the files given, and says how many would change, and by which rules.",
    )
    .argument("<file...>", "files of the candidate: all of it")
    .option("--since <time>", "decisions from this time on, such as 2026-01-18T09:30:00Z, or 7d for a week ago (default 30d)", timeFrom)
    .option("--until <time>", "before this time", timeFrom)
    .option("--limit <count>", "list at most so many changes", limitFrom, 20)
    .option("--json", "print JSON")
    .action(async (files: readonly string[], { since, until, limit, json, ...options }: Options) => {
      const { bundles, snapshot, problems, fileOf } = await loadPolicies(files);
      if (snapshot === null) {
        for (const problem of problems) context.complain(sentence(problem));
        return finish(exitCodes.failure);
      }
      const body = {
        bundles: bundles.map(({ id }) => ({ id, content: readFileSync(fileOf(id), "utf8") })),
        limit,
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
      };
      await withServer(context, finish, async () => {
        const report = (await (await ask({ method: "POST", path: "/policy/backtest", body }, options, context)).json()) as Report;
        context.print(json === true ? JSON.stringify(report, null, 2) : linesOf(report).join("\n"));
      });
    });
}

type Verdict = { readonly effect: string; readonly bundle: string | null; readonly rule: string | null };
type Report = {
  readonly decisions: number;
  readonly unchanged: number;
  readonly changed: number;
  readonly unknown: number;
  readonly groups: readonly { readonly from: Verdict; readonly to: Verdict | null; readonly why: string | null; readonly count: number }[];
  readonly changes: readonly {
    readonly at: string;
    readonly workflow_id: string;
    readonly action_id: string;
    readonly name: string;
    readonly from: Verdict;
    readonly to: Verdict;
  }[];
  readonly broken_off_at: string | null;
};

function linesOf({ decisions, unchanged, changed, unknown, groups, changes, broken_off_at }: Report): readonly string[] {
  const counts = `${decisions} decisions: ${unchanged} unchanged, ${changed} changed, ${unknown} unknown`;
  const byRule = groups.map(({ from, to, why, count }) => [String(count), said(from), to === null ? `unknown: ${why}` : said(to)]);
  const each = changes.map(({ at, workflow_id, action_id, name, from, to }) => [at, workflow_id, action_id, name, said(from), said(to)]);
  return [
    ...(groups.length === 0 ? [] : [table(["COUNT", "THEN", "CANDIDATE"], byRule), ""]),
    ...(changes.length === 0 ? [] : [table(["TIME", "WORKFLOW", "ACTION", "NAME", "THEN", "CANDIDATE"], each), ""]),
    ...(changes.length < changed ? [`the first ${changes.length} of ${changed} changes are listed`] : []),
    ...(broken_off_at === null ? [] : [`there are more decisions: go on with --since ${broken_off_at}`]),
    counts,
  ];
}

const said = ({ effect, bundle, rule }: Verdict): string =>
  `${effect} ${rule === null ? "(default)" : bundle === null ? rule : `${bundle}/${rule}`}`;
