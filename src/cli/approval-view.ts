import { oneLine } from "./table.ts";

/** An approval as the server's API shows it: what of it people read. */
export type ApprovalView = {
  readonly id: string;
  readonly status: string;
  readonly workflow_id: string;
  readonly workflow_type: string;
  readonly run_id: string;
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
  readonly requirements: (Approvers & { readonly four_eyes: boolean; readonly reason_required: boolean }) | null;
  readonly grants: number;
  readonly grants_needed: number;
  readonly votes: readonly { readonly voter: Who | null; readonly verdict: string; readonly reason: string; readonly at: string }[];
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly closed_at: string | null;
  readonly close_reason: string;
};
type Who = { readonly id: string; readonly kind: string; readonly roles: readonly string[] };
type Approvers = { readonly roles: readonly string[]; readonly principals: readonly string[] };

/** All that a person needs to decide, one fact per line; what is empty is left out. */
export function approvalLines(approval: ApprovalView): string {
  const { labels, requirements, votes } = approval;
  const facts: readonly (readonly [name: string, text: string])[] = [
    ["Approval", approval.id],
    ["Status", [approval.status, approval.close_reason].filter((part) => part !== "").join(": ")],
    ["Title", approval.title],
    ["Activity", `${approval.activity_type} (id ${approval.activity_id}, task queue ${approval.task_queue})`],
    ["Workflow", `${approval.workflow_type} ${approval.workflow_id} (run ${approval.run_id})`],
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
    ["Context", approval.context === null ? "" : JSON.stringify(approval.context)],
    ["Approvers", requirements === null ? "" : approversText(requirements)],
    ["Conditions", requirements === null ? "" : conditions(requirements).join(", ")],
    ["Grants", `${approval.grants} of ${approval.grants_needed}`],
    ...votes.map(({ voter, verdict, reason, at }): readonly [string, string] => [
      "Vote",
      `${verdict} by ${whoText(voter)} at ${at}${reason === "" ? "" : `: ${reason}`}`,
    ]),
    ["Asked at", approval.created_at],
    ["Expires at", approval.expires_at ?? "never"],
    ["Closed at", approval.closed_at ?? ""],
    ["Job hash", approval.job_hash],
    ["Policy", approval.policy_snapshot],
  ];
  return facts
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `${name.padEnd(12)}${oneLine(text)}`)
    .join("\n");
}

export const approversText = ({ roles, principals }: Approvers): string =>
  [...roles.map((role) => `role ${role}`), ...principals].join(" or ") || "anybody who is named";

const conditions = ({ four_eyes, reason_required }: NonNullable<ApprovalView["requirements"]>): readonly string[] => [
  ...(four_eyes ? ["only people, and not whoever started the workflow"] : []),
  ...(reason_required ? ["with a reason"] : []),
];

const whoText = (who: Who | null): string =>
  who === null || who.id === "" ? "" : [who.id, ...who.roles.map((role) => `(${role})`)].join(" ");
