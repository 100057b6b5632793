import { ApplicationFailure } from "@temporalio/common";

/** A safer alternative, offered with a denial. */
export type Remediation = {
  readonly id?: string;
  readonly title?: string;
  readonly summary?: string;
  readonly replacementTopic?: string;
  readonly replacementCapability?: string;
  readonly addLabels?: { readonly [name: string]: string };
  readonly removeLabels?: readonly string[];
};

/** Why an action may not happen. */
export type Denial = {
  /** The rule that denied; null for the default, and where the server does not say. */
  readonly rule: string | null;
  readonly reason: string;
  /** Hash of the policy snapshot; empty where the server does not say. */
  readonly snapshot: string;
  readonly jobHash?: string;
  /** The approval that was asked for, if there was one. */
  readonly approval?: string;
  readonly remediations: readonly Remediation[];
};

/** Type of the failure that a denied action ends with. */
export const policyDenied = "PolicyDenied";

export const denialFailure = (denial: Denial): ApplicationFailure => ApplicationFailure.nonRetryable(denial.reason, policyDenied, denial);

/** The denial in an error that an activity, a child workflow or a start was refused with, wherever among its causes; null in any other. */
export function denialOf(error: unknown): Denial | null {
  for (let at = error, depth = 0; isObject(at) && depth < depthMax; at = at.cause, depth++) {
    if (at.type === policyDenied && Array.isArray(at.details)) return denialFrom(at.details[0], at.message);
    if (at.code === permissionDenied && at.metadata !== undefined) return denialFrom(undefined, at.details);
  }
  return null;
}

export const isPolicyDenied = (error: unknown): boolean => denialOf(error) !== null;

/** gRPC's code. A start that the policy denies is answered with it. */
const permissionDenied = 7;
const depthMax = 20;

/** As far as the detail tells, or else the message. */
function denialFrom(detail: unknown, message: unknown): Denial {
  const said: Partial<Denial> = isObject(detail) ? detail : {};
  return { ...denialInText(String(message ?? "")), ...said };
}

/** What the server says where no failure can carry a denial. */
function denialInText(text: string): Denial {
  const [, rule = null, reason = text, snapshot = ""] =
    /is denied(?: by rule `([^`]*)`)?: (.*) \(policy snapshot (\w*)\)$/s.exec(text) ?? [];
  return { rule, reason, snapshot, remediations: [] };
}

const isObject = (value: unknown): value is { readonly [key: string]: unknown } => typeof value === "object" && value !== null;
