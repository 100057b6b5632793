import { proxyActivities } from "@temporalio/workflow";

/** What a workflow asks people for. What the policy says of the activity `holdfast.approval` holds as well: the stricter of both. */
export type ApprovalRequest = {
  /** At most 200 letters. */
  readonly title: string;
  /** Why it is needed; at most 2,000 letters. */
  readonly reason?: string;
  /** Who may decide; anyone but the requester, when left out. */
  readonly approvers?: { readonly roles?: readonly string[]; readonly principals?: readonly string[] };
  /** How many different people (1). */
  readonly quorum?: number;
  /** People only, and none of them has started the workflow. */
  readonly fourEyes?: boolean;
  /** `30m`, `2d`; never, when left out. */
  readonly expiresAfter?: string;
  readonly reasonRequired?: boolean;
  /** Whatever helps to decide; at most 32 KiB as JSON. */
  readonly context?: unknown;
};

/** By whose votes it ended, with the reasons they gave. Times are RFC 3339. */
export type ApprovalEnd = {
  readonly approvalId: string;
  readonly reason: string;
  readonly decidedBy: readonly { readonly principal: string; readonly reason: string; readonly at: string }[];
  readonly decidedAt: string;
};
export type Approved = ApprovalEnd & { readonly approved: true };
export type ApprovalRefusal = ApprovalEnd & { readonly approved: false; readonly ended: "rejected" | "expired"; readonly message: string };

type Wire<Approves extends boolean = boolean> = {
  readonly approved: Approves;
  readonly approval_id: string;
  readonly reason: string;
  readonly decided_by: ApprovalEnd["decidedBy"];
  readonly decided_at: string;
};

/**
 * Waits until people have decided, however long it takes. Not granted, it throws an activity failure that `approvalRefusalOf` reads, so that
 * forgetting to look at the answer lets nothing pass. Needs a Holdfast server: its own task queue `holdfast` answers.
 */
export async function approval(request: ApprovalRequest): Promise<Approved> {
  const { fourEyes, expiresAfter, reasonRequired, ...rest } = request;
  const end = await ask["holdfast.approval"]({
    ...rest,
    ...(fourEyes === undefined ? {} : { four_eyes: fourEyes }),
    ...(expiresAfter === undefined ? {} : { expires_after: expiresAfter }),
    ...(reasonRequired === undefined ? {} : { reason_required: reasonRequired }),
  });
  return { approved: true, ...endFrom(end) };
}

// While it is held, its time-outs stand still.
const ask = proxyActivities<{ "holdfast.approval"(input: object): Promise<Wire<true>> }>({
  taskQueue: "holdfast",
  startToCloseTimeout: "1 minute",
});

/** How an approval ended that was not granted; null for any other error. */
export function approvalRefusalOf(error: unknown): ApprovalRefusal | null {
  for (let at = error, depth = 0; at instanceof Error && depth < depthMax; at = at.cause, depth++) {
    const { type, details } = at as { readonly type?: unknown; readonly details?: unknown };
    const ended = type === "ApprovalRejected" ? "rejected" : type === "ApprovalExpired" ? "expired" : null;
    if (ended !== null && Array.isArray(details)) return { approved: false, ended, message: at.message, ...endFrom(details[0] as Wire) };
  }
  return null;
}

const depthMax = 20;

const endFrom = ({ approval_id, reason, decided_by, decided_at }: Wire): ApprovalEnd => ({
  approvalId: approval_id,
  reason,
  decidedBy: decided_by,
  decidedAt: decided_at,
});
