/** A limit that comes with a permission. What is not there is no limit; an empty list allows nothing. */
export type Constraints = {
  readonly budgets?: {
    readonly maxRuntimeMs?: number;
    readonly maxAttempts?: number;
    readonly maxConcurrentJobs?: number;
    readonly maxInputBytes?: number;
    readonly maxOutputBytes?: number;
    readonly maxArtifactBytes?: number;
  };
  readonly rates?: readonly { readonly max: number; readonly per: number; readonly by: string }[];
  readonly spend?: readonly Spend[];
  readonly sandbox?: {
    readonly isolated?: boolean;
    readonly networkAllowlist?: readonly string[];
    readonly fsReadOnly?: readonly string[];
    readonly fsReadWrite?: readonly string[];
  };
  readonly toolchain?: { readonly allowedTools?: readonly string[]; readonly allowedCommands?: readonly string[] };
  readonly diff?: { readonly maxFiles?: number; readonly maxLines?: number; readonly denyPathGlobs?: readonly string[] };
  readonly redactionLevel?: string;
  readonly redactPatterns?: readonly string[];
};

export type Spend = {
  readonly unit: "tokens" | "money" | "actions";
  readonly max: number;
  readonly by: string;
  /** In milliseconds; null when it is never given anew. */
  readonly per: number | null;
};

/** What was decided of an activity, as its worker learns it. */
export type Decision = {
  readonly effect: string;
  readonly rule: string | null;
  readonly reason: string;
  /** Hash of the policy snapshot. */
  readonly snapshot: string;
  readonly constraints?: Constraints;
};

/** Header of an activity in which the server says what was decided. */
export const decisionHeader = "holdfast-decision";
