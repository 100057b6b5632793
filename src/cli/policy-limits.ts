import type { Command } from "commander";
import { formatDuration } from "../base/quantity.ts";
import { type ApiOptions, addApiOptions, listed, withServer } from "./api-client.ts";
import type { CliContext, Finish } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { table } from "./table.ts";

type Options = ApiOptions & { readonly limit: number; readonly json?: true };

/** As `GET /api/v1/policy/limits` has it. */
type LimitView = {
  readonly limit: string;
  readonly source: string;
  readonly counted: string;
  readonly max: number | null;
  readonly per_ms?: number | null;
  readonly unit?: string;
  readonly used?: number | null;
  readonly reserved?: number;
  readonly state?: string;
  readonly until?: string | null;
  readonly room: number | null;
  readonly waiting: number;
};

/** Unlike its siblings it asks a running server. */
export function addPolicyLimitsCommand(policy: Command, context: CliContext, finish: Finish): void {
  addApiOptions(policy.command("limits"))
    .summary("what limits of the policy have let through on a running server, and how much room is left")
    .option("--limit <count>", "at most so many", limitFrom, 100)
    .option("--json", "print JSON, with all there is to know")
    .action((options: Options) =>
      withServer(context, finish, async () => {
        const limits = await listed<LimitView>("/policy/limits", {}, options.limit, options, context);
        if (options.json === true) context.print(JSON.stringify(limits, null, 2));
        else if (limits.length === 0) context.print("nothing has been counted under a limit");
        else context.print(table(["LIMIT", "COUNTED", "MAX", "USED", "ROOM", "WAITING", "STATE", "SET BY"], limits.map(rowOf)));
      }),
    );
}

const rowOf = ({
  limit,
  counted,
  max,
  per_ms,
  unit,
  used,
  reserved,
  state,
  until,
  room,
  waiting,
  source,
}: LimitView): readonly string[] => [
  limit,
  counted,
  [max === null ? "?" : `${max}`, unit, per_ms ? `per ${formatDuration(per_ms)}` : undefined]
    .filter((part) => part !== undefined)
    .join(" "),
  used === undefined || used === null ? "" : `${used}${reserved ? ` + ${reserved} reserved` : ""}`,
  room === null ? "" : String(room),
  String(waiting),
  [state, until ? `until ${until}` : undefined].filter((part) => part !== undefined).join(" "),
  source,
];
