import type { DurationMs, EpochMs } from "../base/time.ts";
import type { Hold } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Header, Payload, Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import type { UserMetadata } from "../protocol/generated/temporal/api/sdk/v1/user_metadata.ts";
import type { Draft } from "./execution.ts";

/** An action that is about to leave a run, as far as the run knows it; or the run itself, about to start. */
export type WantedAction = {
  readonly kind: "activity" | "child-workflow" | "external-signal" | "external-cancel" | "workflow-start" | "local-activity";
  /** Activity or workflow type, or the signal's name. */
  readonly name: string;
  /** Activity id, or the workflow id of what is started, signaled or cancelled. */
  readonly id: string;
  readonly taskQueue: string;
  readonly header: Header | undefined;
  readonly input: Payloads | undefined;
  /** From 1. */
  readonly attempt: number;
  /** The event that scheduled it, 0 when it is decided before that event is written. */
  readonly scheduledEventId: number;
  /** The policy snapshot under which it was delayed, if it has waited as long as it was told to. */
  readonly waitedUnder?: string;
  /** What was granted for it before: the approval and the action it was given for. */
  readonly grant: Grant | null;
};

/** An approval that was granted, and the action that it was granted for. */
export type Grant = { readonly approvalId: string; readonly jobHash: string };

/** What is noted of a decision on the event that schedules the action: SDKs replay it without looking. */
export type Marks = { readonly header: { readonly [key: string]: Payload }; readonly userMetadata: UserMetadata | undefined };

/** A header with what is noted of the decision on it. */
export const markedHeader = (header: Header | undefined, marks: Marks | null): Header | undefined =>
  marks === null ? header : { fields: { ...header?.fields, ...marks.header } };

/** Limits that a decision sets and the server keeps. */
export type Caps = {
  readonly startToClose: DurationMs | null;
  readonly attempts: number | null;
  /** How large the result may be, and the rule that says so. */
  readonly output?: { readonly bytes: number; readonly rule: string };
};

/** `rule` is null when none decided. */
export type Refused = {
  readonly effect: "refuse";
  readonly marks: Marks | null;
  readonly rule: string | null;
  readonly failure: Failure;
  readonly snapshot: string;
};

/** What is said of a refusal where there is no failure to carry it. */
export const denialText = (what: string, { rule, failure, snapshot }: Refused): string =>
  `${what} is denied${rule === null ? "" : ` by rule \`${rule}\``}: ${failure.message} (policy snapshot ${snapshot})`;

/** Whether an action may happen. */
export type Admission =
  | ({ readonly effect: "allow"; readonly caps: Caps | null } & Due)
  /** The action fails at once with this failure, which nobody retries. */
  | Refused
  /** The action waits for an approval. */
  | { readonly effect: "hold"; readonly marks: Marks | null; readonly hold: Hold; readonly caps: Caps | null; readonly snapshot: string }
  /** The action is decided again at that time. */
  | ({ readonly effect: "delay"; readonly until: EpochMs } & Due);

/** What is said of an action that happens, now or later. */
type Due = {
  readonly marks: Marks | null;
  readonly snapshot: string;
  /** Of an activity: limits hold for it that are looked at whenever a worker is about to get an attempt. */
  readonly limited?: boolean;
  /** Of an activity: the grant that an earlier attempt of it has left, by which it may happen. */
  readonly keptGrant?: Grant;
};

/**
 * Decides an action before it becomes a task: the one stage at which runs meet the policy. It may note what it decided for the same commit,
 * but must not change the draft.
 */
export type Admit = (action: WantedAction, draft: Draft) => Admission;

/** Where no policy is in force. */
export const admitAll: Admit = () => allowed;

/** Nothing was decided, and nothing had to be. */
export const allowed: Admission = { effect: "allow", marks: null, caps: null, snapshot: "" };
