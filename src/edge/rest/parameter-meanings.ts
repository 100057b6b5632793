import type { Route } from "./route.ts";

// What the parameters of the API's document mean, for people. A name means one thing wherever it stands, but for those that stand in a path.

const inQuery: { readonly [name: string]: string } = {
  after: "goes on after the event of this id, as the header `Last-Event-ID` does",
  closed_after: "those that ended at this time or later",
  closed_before: "those that ended before this time",
  cursor: "the `next_cursor` of the page before",
  dry_run: "says what would happen, and does nothing",
  from: "the hash of the snapshot to compare",
  idempotency_key: "in place of the header `Idempotency-Key`",
  include_resolved: "adds what has ended",
  kind: "one kind, or several with commas between them",
  label: "those with this label: `name=value`, or a name for any value",
  limit: "at most so many",
  max_bytes: "refuses what is larger",
  org_id: "of this org",
  principal: "of this principal",
  q: "those whose id begins like this; of jobs also the topic, of runs also the id of the workflow",
  resource: "the name of what is locked",
  retention: "those that are kept for so long",
  run: "of this run: its run id or workflow id",
  run_id: "about this run",
  scope: "what the document is for",
  scope_id: "the org, team, workflow or step that it is for; `default` for the system",
  since: "from this time on",
  started_after: "those that started at this time or later",
  started_before: "those that started before this time",
  state: "in this state, or in one of several with commas between them",
  status: "of this status, or of one of several with commas between them",
  step_id: "for this step",
  team: "of this team",
  team_id: "of this team",
  tenant: "in place of the header `X-Tenant-ID`",
  to: "the hash of the snapshot to compare it with; the one in force when it is left out",
  topic: "of this topic",
  trace_id: "of this trace",
  type: "one type of event, or several with commas between them",
  until: "before this time",
  updated_after: "those that changed at this time or later",
  updated_before: "those that changed before this time",
  workflow: "of this workflow: the id of the execution, or its type",
  workflow_id: "of this workflow",
};

/** Of a parameter in a path, by what stands before it. */
const inPath: { readonly [collection: string]: string } = {
  approvals: "the id of the approval",
  artifacts: "the pointer, `art:…`",
  bundles: "the id of the bundle; `/` in it is written `~`",
  dlq: "the id of the job",
  endpoints: "the id of the endpoint: your name for it",
  jobs: "the id of the job",
  keys: "the id of the key: the part of its text after `hfk_`",
  roles: "the name of the role",
  runs: "the id of the run",
  schemas: "the id of the schema; `/` in it is written `%2F`",
  snapshots: "the hash of the snapshot",
  traces: "the trace id",
  "workflow-runs": "the id of the run",
  workflows: "the id of the workflow",
};

/** What a parameter of a route means; undefined where nobody has said. */
export function parameterMeaning({ path }: Pick<Route, "path">, place: "path" | "query", name: string): string | undefined {
  if (place === "query") return inQuery[name];
  const parts = path.split("/");
  return inPath[parts[parts.indexOf(`:${name}`) - 1] ?? ""];
}
