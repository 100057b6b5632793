import {
  dictionary,
  flag,
  into,
  itemAt,
  list,
  listOf,
  mapping,
  name,
  numberAbove,
  type Place,
  type Problem,
  positionOf,
  type ReadBy,
  readDocument,
  report,
  scalarAt,
  scalarText,
  someOf,
  text,
  warn,
  wholeNumber,
  word,
  wordsOf,
} from "../../language/reader.ts";
import { escalationsMax, quorumMax } from "../approval/approval-limits.ts";
import { type Constraints, duration, isUnconstrained, readConstraints, readRate } from "./constraints.ts";
import { type Effect, effectWords, type Mode, modes } from "./effect.ts";
import { type Match, readGlob, readKind, readMatch, readMcpPolicy, readWhen } from "./match.ts";
import { readTestCase, type TestCase } from "./test-case.ts";

/** A safer way to reach the same end, offered with a denial. */
const readRemediation = mapping({
  id: name,
  title: text,
  summary: text,
  replacementTopic: text,
  replacementCapability: text,
  addLabels: dictionary(scalarText),
  removeLabels: list(text),
});
export type Remediation = ReadBy<typeof readRemediation>;

/** Roles and principals, of whom anybody may decide. */
export const approversFields = { roles: list(name), principals: list(name) };

const expiryActions = ["deny", "escalate"] as const;
const readExpiryAction = word(wordsOf(expiryActions));
export const approvalFields = {
  quorum: wholeNumber(1, quorumMax),
  /** Approvers must be people, and none of them may have started the workflow. */
  fourEyes: flag,
  expiresAfter: duration,
  onExpiry: (at: Place) =>
    scalarAt(at) === "allow"
      ? report(at, "an approval that nobody gave cannot be taken for one: to let actions pass and only note them, use `mode: observe`")
      : readExpiryAction(at),
  escalation: listOf(
    into(mapping({ after: duration, ...approversFields }), ({ after, roles = [], principals = [] }, at) =>
      after === undefined || roles.length + principals.length === 0
        ? report(at, "an escalation needs `after`, and `roles` or `principals`")
        : { after, roles, principals },
    ),
  ),
  reasonRequired: flag,
};
const readFields = mapping({ ...approversFields, ...approvalFields });

/** The terms with what was left out filled in, and a report of what cannot be. */
export function approvalTerms(terms: ReadBy<typeof readFields>, at: Place) {
  const { roles = [], principals = [], quorum = 1, fourEyes = false, expiresAfter = null, onExpiry = "deny", escalation = [] } = terms;
  if (onExpiry === "escalate" && (expiresAfter === null || escalation.length === 0))
    report(at, "`on_expiry: escalate` needs `expires_after` and `escalation`");
  if (escalation.length > escalationsMax) report(at, `${escalation.length} escalations are more than ${escalationsMax}`);
  if (roles.length === 0 && principals.length > 0 && principals.length < quorum)
    report(at, `a quorum of ${quorum} cannot be reached by ${principals.length} principals`);
  return { roles, principals, quorum, fourEyes, expiresAfter, onExpiry, escalation, reasonRequired: terms.reasonRequired ?? false };
}

/** Who may approve, how many, within how long. Whoever asks never approves their own request. */
export const readApproval = into(readFields, approvalTerms);
export type ApprovalTerms = ReadBy<typeof readApproval>;

const policyLettersMax = 8 * 1024 * 1024;
const throttleDelayMs = 5_000;
/** More than 0 and up to 100: the share of workflow ids for which a rule is enforced; it is observed for the others. */
const percentage = into(numberAbove(0), (value, at) => (value <= 100 ? value : report(at, "expected a percentage up to 100")));

export type Rule = {
  /** Unique in its bundle. */
  readonly id: string;
  readonly line: number;
  readonly description: string;
  readonly enabled: boolean;
  readonly match: Match;
  /** CEL, known to compile. */
  readonly when: string | null;
  readonly effect: Effect;
  readonly reason: string | null;
  readonly constraints: Constraints;
  readonly remediations: readonly Remediation[];
  readonly approval: ApprovalTerms | null;
  /** How long a throttled action waits before it is tried again. */
  readonly delay: number | null;
  readonly mode: Mode | null;
  readonly canary: number | null;
};

const readRule = into(
  mapping(
    {
      id: name,
      description: text,
      enabled: flag,
      match: readMatch,
      when: readWhen,
      decision: word(effectWords),
      reason: text,
      constraints: readConstraints,
      remediations: listOf(readRemediation),
      approval: readApproval,
      delay: duration,
      mode: word(wordsOf(modes)),
      canary: percentage,
    },
    { canary_percent: "canary" },
  ),
  (fields, at): Rule | undefined => {
    const { id, decision, approval, delay, constraints = {} } = fields;
    const effect = decision ?? "ALLOW";
    if (id === undefined) warn(at, "a rule without `id` is known by its position only");
    if (decision === undefined) warn(at, "a rule without `decision` allows");
    if (approval !== undefined && effect !== "REQUIRE_APPROVAL") report(at, "`approval` needs `decision: require_approval`");
    if (delay !== undefined && effect !== "THROTTLE") report(at, "`delay` needs `decision: throttle`");
    if (fields.canary !== undefined && fields.mode === "observe") report(at, "`canary` enforces, and `mode: observe` does not");
    if (fields.match?.kinds?.includes("local-activity") && ((effect !== "ALLOW" && effect !== "DENY") || !isUnconstrained(constraints)))
      report(at, "a local activity has run when the server hears of it: a rule for the kind `local-activity` only allows or denies");
    if (effect === "ALLOW_WITH_CONSTRAINTS" && isUnconstrained(constraints)) warn(at, "allows with constraints, and has none");
    return {
      id: id ?? "",
      line: positionOf(at).line,
      description: fields.description ?? "",
      enabled: fields.enabled ?? true,
      match: fields.match ?? {},
      when: fields.when ?? null,
      effect: effect === "ALLOW" && !isUnconstrained(constraints) ? "ALLOW_WITH_CONSTRAINTS" : effect,
      reason: fields.reason ?? null,
      constraints,
      remediations: fields.remediations ?? [],
      approval: effect === "REQUIRE_APPROVAL" ? (approval ?? anybodyElse) : null,
      delay: effect === "THROTTLE" ? (delay ?? throttleDelayMs) : null,
      mode: fields.mode ?? null,
      canary: fields.canary ?? null,
    };
  },
);

const readRules = into(listOf(readRule), (rules, at) => {
  const named = rules.map((rule, index) => (rule.id === "" ? { ...rule, id: `rule-${index + 1}` } : rule));
  const lines = new Map<string, number>();
  for (const [index, { id, line }] of named.entries()) {
    const before = lines.get(id);
    if (before !== undefined) report(itemAt(at, index), `a rule called \`${id}\` stands in line ${before} already`);
    lines.set(id, line);
  }
  return named;
});

/** The terms of a rule that asks for approval and says no more. */
const anybodyElse: ApprovalTerms = {
  roles: [],
  principals: [],
  quorum: 1,
  fourEyes: false,
  expiresAfter: null,
  onExpiry: "deny",
  escalation: [],
  reasonRequired: false,
};

/** Tells unmodified workers' actions apart: what an activity type, task queue or input means. */
const readCatalogueEntry = into(
  mapping({
    match: mapping(
      {
        namespaces: someOf(readGlob),
        kinds: someOf(readKind),
        names: someOf(readGlob),
        workflowTypes: someOf(readGlob),
        taskQueues: someOf(readGlob),
      },
      { activity_types: "names", activity_type: "names", workflow_type: "workflowTypes", task_queue: "taskQueues" },
    ),
    when: readWhen,
    topic: name,
    labels: dictionary(scalarText),
    capability: name,
    riskTags: list(name),
  }),
  ({ match = {}, when = null, topic = null, labels = new Map<string, string>(), capability = null, riskTags = [] }, at) => {
    if (topic === null && capability === null && labels.size === 0 && riskTags.length === 0)
      return report(at, "an entry must give `topic`, `labels`, `capability` or `risk_tags`");
    return { match, when, topic, labels, capability, riskTags };
  },
);
export type CatalogueEntry = ReadBy<typeof readCatalogueEntry>;

const readBreaker = into(
  mapping({ failures: wholeNumber(1), within: duration, openFor: duration, probes: wholeNumber(1), successes: wholeNumber(1) }),
  ({ failures, within = null, openFor, probes = 1, successes = 1 }, at) =>
    failures === undefined || openFor === undefined
      ? report(at, "a breaker needs `failures` and `open_for`")
      : { failures, within, openFor, probes, successes },
);

const readLimit = into(
  mapping({ topics: list(readGlob), rate: readRate, burst: wholeNumber(1), breaker: readBreaker }, { topic: "topics" }),
  ({ topics, rate = null, burst = null, breaker = null }, at) => {
    if (topics === undefined) return report(at, "a limit needs `topics`");
    if (rate === null && breaker === null) return report(at, "a limit needs `rate` or `breaker`");
    if (burst !== null && rate === null) report(at, "`burst` needs `rate`");
    return { topics, rate, burst, breaker };
  },
);
/** Holds for every action of the topics, whichever rule allowed it. */
export type Limit = ReadBy<typeof readLimit>;

const readTenant = into(
  mapping({
    allowTopics: list(readGlob),
    denyTopics: list(readGlob),
    allowedRepoHosts: list(text),
    deniedRepoHosts: list(text),
    maxConcurrentJobs: wholeNumber(1),
    mcp: readMcpPolicy,
  }),
  (tenant, at) => {
    if (tenant.allowedRepoHosts !== undefined || tenant.deniedRepoHosts !== undefined)
      warn(at, "`allowed_repo_hosts` and `denied_repo_hosts` are accepted and never enforced; write rules over a label instead");
    const { allowTopics = [], denyTopics = [], maxConcurrentJobs = null, mcp = null } = tenant;
    return { allowTopics, denyTopics, maxConcurrentJobs, mcp };
  },
);
export type TenantPolicy = ReadBy<typeof readTenant>;

const defaultWords: ReadonlyMap<string, "ALLOW" | "DENY"> = new Map([
  ["allow", "ALLOW"],
  ["deny", "DENY"],
]);

const readPolicy = into(
  mapping({
    version: scalarText,
    description: text,
    order: wholeNumber(-1_000_000, 1_000_000),
    mode: word(wordsOf(modes)),
    canary: percentage,
    defaultTenant: name,
    defaultDecision: word(defaultWords),
    denyLocalActivities: list(readGlob),
    rules: readRules,
    tenants: dictionary(readTenant),
    actions: listOf(readCatalogueEntry),
    limits: listOf(readLimit),
    tests: listOf(readTestCase),
  }),
  (fields, at): Policy => {
    if (fields.canary !== undefined && fields.mode === "observe") report(at, "`canary` enforces, and `mode: observe` does not");
    return { ...emptyPolicy, ...fields };
  },
);
/** One policy file, read and checked. */
export type Policy = {
  readonly version: string;
  readonly description: string;
  /** Where its rules stand among those of other bundles: lower numbers first. */
  readonly order: number;
  readonly mode: Mode;
  readonly canary: number | null;
  readonly defaultTenant: string | null;
  readonly defaultDecision: "ALLOW" | "DENY" | null;
  /** Patterns of namespaces. */
  readonly denyLocalActivities: readonly string[];
  readonly rules: readonly Rule[];
  readonly tenants: ReadonlyMap<string, TenantPolicy>;
  readonly actions: readonly CatalogueEntry[];
  readonly limits: readonly Limit[];
  readonly tests: readonly TestCase[];
};

/** What a policy says that says nothing. */
export const emptyPolicy: Policy = {
  version: "",
  description: "",
  order: 0,
  mode: "enforce",
  canary: null,
  defaultTenant: null,
  defaultDecision: null,
  denyLocalActivities: [],
  rules: [],
  tenants: new Map(),
  actions: [],
  limits: [],
  tests: [],
};

/** Reads YAML or JSON. The policy is null when an error is among the problems. */
export function parsePolicy(source: string): { readonly policy: Policy | null; readonly problems: readonly Problem[] } {
  if (source.length > policyLettersMax)
    return {
      policy: null,
      problems: [{ severity: "error", line: 1, column: 1, path: "", message: `longer than ${policyLettersMax} letters` }],
    };
  const { value, problems } = readDocument(source, readPolicy);
  return { policy: value, problems };
}
