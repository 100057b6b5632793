import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../base/quantity.ts";
import { type ApiOptions, addApiOptions } from "./api-client.ts";

/** Which entries of the ledger. */
export type AuditOptions = ApiOptions & {
  readonly since?: string;
  readonly until?: string;
  readonly kind?: string;
  readonly run?: string;
};

export const addAuditOptions = (command: Command): Command =>
  addApiOptions(command)
    .option("--since <time>", "from this time on, such as 2026-01-18T09:30:00Z, or 24h for a day ago", timeFrom)
    .option("--until <time>", "before this time", timeFrom)
    .option("--kind <kinds>", "only of these kinds, with commas between them")
    .option("--run <id>", "only about this workflow run");

export const auditParameters = ({ since, until, kind, run }: AuditOptions) => ({ since, until, kind, run_id: run });

/** A time as an API takes it, from a time or a duration before now. */
export function timeFrom(text: string): string {
  const ago = parseDuration(text);
  const at = ago === undefined ? Date.parse(text) : Date.now() - ago;
  if (Number.isNaN(at)) throw new InvalidArgumentError("expected a time such as 2026-01-18T09:30:00Z, or a duration such as 24h");
  return new Date(at).toISOString();
}
