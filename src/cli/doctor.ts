import type { Command } from "commander";
import { roughBytes, roughDuration } from "../base/quantity.ts";
import { ApiError, type ApiOptions, addAddressOption, ask } from "./api-client.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { oneLine } from "./table.ts";

type Options = Pick<ApiOptions, "address"> & { readonly json?: true };

/** As `GET /api/v1/doctor` has it. */
type Examination = {
  readonly healthy: boolean;
  readonly at: string;
  readonly findings: readonly Finding[];
  readonly open_runs: { readonly looked_at: number; readonly all: boolean };
  readonly not_looked_at: readonly string[];
};
type Finding = {
  readonly severity: string;
  readonly namespace: string | null;
  readonly what: string;
  readonly since: string | null;
  readonly why: string;
  readonly executed: string;
  readonly safe_to_do: string;
  readonly count: number;
  readonly examples: readonly { readonly namespace: string; readonly workflow_id: string; readonly run_id: string }[];
};
/** As `GET /api/v1/status` has it. */
type Status = {
  readonly at: string;
  readonly started_at: string;
  readonly database: { readonly bytes: number; readonly disk: { readonly free_bytes: number; readonly size_bytes: number } | null };
  readonly policy: {
    readonly publication: number;
    readonly snapshot: string;
    readonly bundles: readonly string[];
    readonly without_policy: string | null;
  };
  readonly checkpoint: { readonly number: number; readonly at: string } | null;
  readonly namespaces: readonly { readonly name: string; readonly open_runs: number }[];
  readonly reconciler: { readonly looked_at: string | null; readonly repaired_last_hour: number };
};

/** `unreachable` is what wrong usage exits with as well: in both cases nobody has looked. */
export const doctorExitCodes = { healthy: exitCodes.ok, findings: exitCodes.failure, unreachable: exitCodes.usage } as const;

export function addDoctorCommand(program: Command, context: CliContext, finish: Finish): void {
  addAddressOption(program.command("doctor"))
    .summary("what is stuck on a running server, why, and what is safe to do")
    .option("--json", "print JSON, with all there is to know")
    .addHelpText(
      "after",
      `
It looks at all namespaces and changes nothing.

Exit codes: 0 nothing found, 1 something found, 2 the server cannot be asked.`,
    )
    .action(async (options: Options) => {
      try {
        const [status, found] = await Promise.all([
          read<Status>("/status", options, context),
          read<Examination>("/doctor", options, context),
        ]);
        context.print(options.json === true ? JSON.stringify({ ...found, status }, null, 2) : report(status, found));
        finish(found.healthy ? doctorExitCodes.healthy : doctorExitCodes.findings);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        context.complain(`holdfast: ${error.message}`);
        finish(doctorExitCodes.unreachable);
      }
    });
}

const read = async <T>(path: string, options: Options, context: CliContext): Promise<T> =>
  (await (await ask({ method: "GET", path }, options, context)).json()) as T;

function report(status: Status, { at, findings, open_runs, not_looked_at, healthy }: Examination): string {
  const now = Date.parse(at);
  const heading = healthy ? "nothing is stuck" : `${findings.length} ${findings.length === 1 ? "finding" : "findings"}`;
  const limits = [
    ...(open_runs.all ? [] : [`only the newest ${open_runs.looked_at} open runs were looked at`]),
    ...not_looked_at.map((what) => `could not look at ${what}: see the server's log`),
  ];
  return [heading, ...findings.map((finding, index) => findingText(finding, index + 1, now)), facts(status, now), ...limits].join("\n\n");
}

function findingText(finding: Finding, number: number, now: number): string {
  const { severity, namespace, what, since, why, executed, safe_to_do, count, examples } = finding;
  const lines: readonly (readonly [string, string])[] = [
    ...(namespace === null ? [] : [["namespace", namespace] as const]),
    ...(since === null ? [] : [["since", `${since} (${roughDuration(now - Date.parse(since))})`] as const]),
    ["why", why],
    ["executed", executed],
    ["safe", safe_to_do],
    ...examples.map(
      ({ workflow_id, run_id }, index) =>
        [index === 0 ? (count > examples.length ? "such as" : "runs") : "", `${workflow_id} (run ${run_id})`] as const,
    ),
  ];
  return [`${number}. ${severity}: ${oneLine(what)}`, ...lines.map(([name, text]) => `   ${name.padEnd(10)}${oneLine(text)}`)].join("\n");
}

function facts({ started_at, database, policy, checkpoint, namespaces, reconciler }: Status, now: number): string {
  const { bytes, disk } = database;
  const ago = (time: string) => `${roughDuration(now - Date.parse(time))} ago`;
  const lines: readonly (readonly [string, string])[] = [
    ["started", `${started_at} (${ago(started_at)})`],
    ["database", `${roughBytes(bytes)}${disk === null ? "" : `, ${roughBytes(disk.free_bytes)} of ${roughBytes(disk.size_bytes)} free`}`],
    [
      "policy",
      policy.without_policy === null
        ? `publication ${policy.publication}, snapshot ${policy.snapshot}: ${policy.bundles.join(", ")}`
        : `none: every action is ${policy.without_policy === "deny" ? "denied" : "allowed"}`,
    ],
    ["ledger", checkpoint === null ? "no checkpoint" : `checkpoint ${checkpoint.number} of ${checkpoint.at} (${ago(checkpoint.at)})`],
    ["open runs", namespaces.map(({ name, open_runs }) => `${open_runs} in ${name}`).join(", ")],
    [
      "looked for what stands still",
      reconciler.looked_at === null
        ? "not yet"
        : `${ago(reconciler.looked_at)}, ${reconciler.repaired_last_hour} repairs within the last hour`,
    ],
  ];
  return lines.map(([name, text]) => `${name}: ${oneLine(text)}`).join("\n");
}
