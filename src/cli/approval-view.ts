import { oneLine, printable } from "./table.ts";

/** An approval as the server's API shows it: what of it people read. */
export type ApprovalView = {
  readonly id: string;
  readonly status: string;
  readonly workflow_id: string;
  readonly workflow_type: string;
  readonly run_id: string;
  readonly kind: string;
  readonly activity_id: string;
  readonly activity_type: string;
  readonly task_queue: string;
  readonly topic: string;
  readonly labels: { readonly [name: string]: string };
  readonly capability: string;
  readonly risk_tags: readonly string[];
  readonly requester: Who | null;
  readonly starter: Who | null;
  readonly title: string;
  readonly context: unknown;
  readonly rule_id: string;
  readonly reason: string;
  readonly policy_snapshot: string;
  readonly job_hash: string;
  readonly approvers: Approvers & { readonly anybody: boolean };
  readonly requirements: (Approvers & { readonly four_eyes: boolean; readonly reason_required: boolean }) | null;
  readonly grants: number;
  readonly grants_needed: number;
  readonly delegations: readonly { readonly from: Who | null; readonly to: string; readonly reason: string; readonly at: string }[];
  readonly votes: readonly { readonly voter: Who | null; readonly verdict: string; readonly reason: string; readonly at: string }[];
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly escalates_at: string | null;
  readonly closed_at: string | null;
  readonly close_reason: string;
};
/** One of them, with what its action is given. */
export type ShownApprovalView = ApprovalView & {
  readonly input: readonly Payload[];
  readonly header: { readonly [name: string]: Payload };
};
type Payload = {
  readonly encoding?: string;
  readonly bytes?: number;
  readonly value?: unknown;
  readonly text?: string;
  readonly note?: string;
};
type Who = { readonly id: string; readonly kind: string; readonly roles: readonly string[] };
type Approvers = { readonly roles: readonly string[]; readonly principals: readonly string[] };

/** All that a person needs to decide, one fact per line; what is empty is left out. */
export function approvalLines(approval: ShownApprovalView): string {
  const { labels, requirements, delegations, votes } = approval;
  const facts: readonly (readonly [name: string, text: string])[] = [
    ["Approval", approval.id],
    ["Status", [approval.status, approval.close_reason].filter((part) => part !== "").join(": ")],
    ["Title", approval.title],
    ["Kind", approval.kind],
    ["Action", `${approval.activity_type} (id ${approval.activity_id}, task queue ${approval.task_queue})`],
    ["Workflow", `${approval.workflow_type} ${approval.workflow_id} (run ${approval.run_id})`],
    ...approval.input.map((payload): readonly [string, string] => ["Input", payloadText(payload)]),
    ...Object.entries(approval.header).map(([name, payload]): readonly [string, string] => ["Header", `${name}: ${payloadText(payload)}`]),
    ["Topic", approval.topic],
    [
      "Labels",
      Object.entries(labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(", "),
    ],
    ["Capability", approval.capability],
    ["Risk", approval.risk_tags.join(", ")],
    ["Asked by", whoText(approval.requester)],
    ["Started by", whoText(approval.starter)],
    ["Because", `${approval.reason} (rule ${approval.rule_id})`],
    ["Context", approval.context === null ? "" : cut(JSON.stringify(approval.context))],
    ["Approvers", approversText(approval.approvers)],
    ["Conditions", requirements === null ? "" : conditions(requirements).join(", ")],
    ["Grants", `${approval.grants} of ${approval.grants_needed}`],
    ...delegations.map(({ from, to, reason, at }): readonly [string, string] => [
      "Delegated",
      `by ${whoText(from)} to ${to} at ${at}${reason === "" ? "" : `: ${reason}`}`,
    ]),
    ...votes.map(({ voter, verdict, reason, at }): readonly [string, string] => [
      "Vote",
      `${verdict} by ${whoText(voter)} at ${at}${reason === "" ? "" : `: ${reason}`}`,
    ]),
    ["Asked at", approval.created_at],
    ["Escalates", approval.escalates_at ?? ""],
    ["Expires at", approval.expires_at ?? "never"],
    ["Closed at", approval.closed_at ?? ""],
    ["Job hash", approval.job_hash],
    ["Policy", approval.policy_snapshot],
  ];
  const lines = facts.filter(([, text]) => text !== "").map(([name, text]) => `${name.padEnd(12)}${oneLine(text)}`);
  return [...lines, ...diffsIn(approval).flatMap((diff) => ["", ...printable(cut(diff)).trimEnd().split("\n")])].join("\n");
}

/** What is to be approved, in a word: the title that the workflow gave it, or else the action. */
export const whatOf = ({ title, activity_type }: ApprovalView): string => (title === "" ? activity_type : title);

/** Names under which workflows and agents hand over what would be changed, as a text of lines. */
const diffNames = ["diff", "patch"];

/** The changes that the context or the input shows, to be read as lines. */
function diffsIn({ context, input }: ShownApprovalView): readonly string[] {
  return [context, ...input.map(({ value }) => value)].flatMap((value) =>
    typeof value === "object" && value !== null
      ? Object.entries(value)
          .filter(([name, text]) => diffNames.includes(name) && typeof text === "string" && text.includes("\n"))
          .map(([, text]) => String(text))
      : [],
  );
}

export const approversText = ({ anybody, roles, principals }: ApprovalView["approvers"]): string =>
  anybody ? "anybody who is named" : [...roles.map((role) => `role ${role}`), ...principals].join(" or ");

/** So many letters of one value; `--json` shows the rest. */
const shownLettersMax = 2_000;
const cut = (text: string): string => (text.length > shownLettersMax ? `${text.slice(0, shownLettersMax)}… (--json shows more)` : text);

function payloadText({ encoding, bytes, value, text, note }: Payload): string {
  if (value !== undefined) return cut(JSON.stringify(value));
  const size = encoding === undefined ? [] : [`${encoding === "" ? "no encoding" : encoding}, ${bytes} bytes`];
  return [...(text === undefined ? [] : [cut(text)]), `(${[...size, ...(note === undefined ? [] : [note])].join("; ")})`].join(" ");
}

const conditions = ({ four_eyes, reason_required }: NonNullable<ApprovalView["requirements"]>): readonly string[] => [
  ...(four_eyes ? ["only people, and not whoever started the workflow"] : []),
  ...(reason_required ? ["with a reason"] : []),
];

const whoText = (who: Who | null): string =>
  who === null || who.id === "" ? "" : [who.id, ...who.roles.map((role) => `(${role})`)].join(" ");
