import { assert, present } from "../src/base/assert.ts";
import type { EpochMs } from "../src/base/time.ts";
import { policyIdentity } from "../src/execution/activity.ts";
import { itemKinds } from "../src/execution/stored-run.ts";
import { type ChainedEntry, type LedgerEntry, noHash } from "../src/governance/ledger/ledger.ts";
import { verifyChain } from "../src/governance/ledger/verify-chain.ts";
import { ApprovalStatus } from "../src/protocol/generated/holdfast/state/v1/governance.ts";
import { type Hold, PendingActivity, PendingChild, PendingExternal, RunCore } from "../src/protocol/generated/holdfast/state/v1/state.ts";
import { History, HistoryEvent } from "../src/protocol/generated/temporal/api/history/v1/message.ts";
import type { PollActivityTaskQueueResponse } from "../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Change, ChangeOutcome, RunWrite, Store } from "../src/store/store.ts";
import { starter } from "./client.ts";
import { policyOf, type Target, ungoverned, type Verdict } from "./policies.ts";
import { same } from "./verify-store.ts";

/**
 * Watches what is written and holds it against the tables of the policies, by a model of its own: it knows nothing of the server but its
 * commits. Whatever happens there, a decision must stand in the ledger that permits it, by the policy in force.
 */
export type Witness = {
  /** Told of each commit in its order. Throws what must not be. */
  committed(changes: readonly Change[], outcomes: readonly ChangeOutcome[]): void;
  /** Told of what a worker got. */
  received(task: PollActivityTaskQueueResponse): void;
  /** Told of a vote that the server said it had counted. */
  voted(approvalId: string, voter: string): void;
  /** Checks what must be true when all has ended. */
  finish(store: Store): Promise<Seen>;
};

/** What was seen, for whoever looks at whether it was much. */
export type Seen = { readonly decisions: number; readonly attempts: number; readonly approvals: number; readonly publications: number };

type Decision = {
  readonly at: EpochMs;
  readonly kind: string;
  readonly effect: string;
  readonly snapshot: string;
  readonly attempt: number;
  readonly jobHash: string;
  /** By whose grant it may happen. */
  readonly approval: string | null;
};

type Approval = {
  readonly runId: string;
  readonly jobHash: string;
  status: string;
  uses: number;
  readonly voters: Set<string>;
};

/** An attempt that a worker has, and the rule that counts it among those at one time. */
type Running = { readonly runId: string; readonly rule: string | null };

/** An action as the ledger names it. */
type Action = { readonly runId: string; readonly kind: string; readonly name: string; readonly id: string; readonly attempt: number };
const nameOf = ({ runId, kind, name, id, attempt }: Action): string => JSON.stringify([runId, kind, name, id, attempt]);

type Fields = { readonly [name: string]: unknown };

export function createWitness(deps: { readonly now: () => EpochMs }): Witness {
  const { now } = deps;
  const written: LedgerEntry[] = [];
  const decisions = new Map<string, Decision[]>();
  const approvals = new Map<string, Approval>();
  const acknowledged: { readonly approvalId: string; readonly voter: string }[] = [];
  /** Every attempt; and those under way, by run and event. */
  const started = new Set<string>();
  const running = new Map<string, Running>();
  /** Attempts that a run has had under a rule that lets it have so many. */
  const spent = new Map<string, number>();
  const delivered = new Set<string>();
  /** Runs that a client started, until they have begun. */
  const waiting = new Map<string, { readonly workflowId: string; readonly type: string }>();
  let publications = 0;
  let inForce = ungoverned;
  let before = ungoverned;
  /** What decided may have been in force when the commit before began: what is decided while that is under way comes with the next. */
  const isCurrent = (snapshot: string): boolean => snapshot === inForce || snapshot === before;

  function record(entry: LedgerEntry): void {
    const body = JSON.parse(Buffer.from(entry.body).toString()) as Fields;
    written.push(entry);
    switch (entry.kind) {
      case "decision":
        recordDecision(entry, body);
        break;
      case "approval-requested":
        assert(!approvals.has(text(body.approval)), "an approval is requested once");
        approvals.set(text(body.approval), {
          runId: entry.runId ?? "",
          jobHash: text(body.job_hash),
          status: "pending",
          uses: 0,
          voters: new Set(),
        });
        break;
      case "approval-vote": {
        const { status, voters } = approvalOf(body);
        const voter = text((body.voter as Fields).id);
        assert(status === "pending", `a vote counts only while an approval is pending, not ${status}`);
        assert(!voters.has(voter), "nobody votes twice");
        assert(body.verdict !== "grant" || voter !== starter, "nobody grants their own request");
        voters.add(voter);
        break;
      }
      case "approval-closed": {
        const approval = approvalOf(body);
        same("what an approval was before it ended", approval.status, "pending");
        approval.status = text(body.status);
        break;
      }
      case "approval-changed": {
        const approval = approvalOf(body);
        same(`what an approval is that is ${body.change}`, approval.status, body.change === "used" ? "granted" : "pending");
        if (body.change === "used") same("uses of an approval", ++approval.uses, 1);
        break;
      }
    }
  }

  function approvalOf(body: Fields): Approval {
    const approval = present(approvals.get(text(body.approval)), `approval ${text(body.approval)}`);
    same("the job that an approval is about", text(body.job_hash), approval.jobHash);
    return approval;
  }

  function recordDecision({ at, runId }: LedgerEntry, body: Fields): void {
    const action = {
      runId: runId ?? "",
      kind: text(body.kind),
      name: text(body.name),
      id: text(body.action_id),
      attempt: Number(body.attempt),
    };
    const decision: Decision = {
      at,
      kind: action.kind,
      effect: text(body.effect),
      snapshot: text(body.snapshot),
      attempt: action.attempt,
      jobHash: text(body.job_hash),
      approval: typeof body.approval === "string" ? body.approval : null,
    };
    assert(
      isCurrent(decision.snapshot),
      `the policy in force decides: ${nameOf(action)} was decided by ${nameOfPolicy(decision.snapshot)}`,
    );
    const verdict = verdictOn(action, decision.snapshot);
    const possible: readonly string[] = [
      verdict.effect,
      ...("attempts" in verdict && action.attempt > (verdict.attempts ?? Number.POSITIVE_INFINITY) ? ["DENY"] : []),
      ...("concurrency" in verdict || "rate" in verdict ? ["THROTTLE"] : []),
      ...("spend" in verdict ? ["DENY", "THROTTLE"] : []),
    ];
    assert(possible.includes(decision.effect), `${nameOf(action)} is decided as ${possible.join(" or ")}, not ${decision.effect}`);
    const name = nameOf(action);
    const former = decisions.get(name);
    if (former === undefined) decisions.set(name, [decision]);
    else former.push(decision);
  }

  /** Whether what was decided last of an action lets it happen now. Returns what says so; null where no policy is in force. */
  function permit(action: Action): Verdict | null {
    const of = decisions.get(nameOf(action)) ?? [];
    const last = of.at(-1);
    const what = `${nameOf(action)}, at ${now()}, under ${nameOfPolicy(inForce)}`;
    if (isCurrent(ungoverned) && (last === undefined || !isCurrent(last.snapshot))) return null;
    assert(last !== undefined, `a decision is recorded on ${what}`);
    assert(isCurrent(last.snapshot), `the policy in force has decided on ${what}, not ${nameOfPolicy(last.snapshot)}`);
    const verdict = verdictOn(action, last.snapshot);
    switch (last.effect) {
      case "ALLOW":
      case "ALLOW_WITH_CONSTRAINTS":
        break;
      case "REQUIRE_APPROVAL": {
        const approval = approvals.get(last.approval ?? "");
        assert(approval !== undefined, `an approval was granted for ${what}`);
        same(
          `the approval of ${what}`,
          { ...approval, voters: null },
          {
            runId: action.runId,
            jobHash: last.jobHash,
            status: "granted",
            uses: 1,
            voters: null,
          },
        );
        break;
      }
      case "THROTTLE": {
        let first = of.length - 1;
        while (of[first - 1]?.snapshot === last.snapshot && of[first - 1]?.effect === "THROTTLE") first--;
        assert(verdict.effect === "THROTTLE" && now() >= present(of[first], "decision").at + verdict.delay, `${what} has waited`);
        break;
      }
      default:
        throw new Error(`the policy permits ${what}: ${last.effect}`);
    }
    assert(!("attempts" in verdict) || action.attempt <= (verdict.attempts ?? Number.POSITIVE_INFINITY), `${what} is within its attempts`);
    return verdict;
  }

  function look(write: RunWrite): void {
    const { runId } = write.key;
    let closed = false;
    const events = write.history.flatMap(({ bytes }) => History.decode(bytes).events);
    const buffered = write.putItems.filter(({ kind }) => kind === itemKinds.buffered).map(({ value }) => HistoryEvent.decode(value));
    for (const { kind, id } of write.deleteItems) if (kind === itemKinds.activity) running.delete(`${runId}/${id}`);
    for (const event of [...events, ...buffered]) closed = lookAt(write, event) || closed;
    for (const { kind, id, value } of write.putItems) {
      if (kind === itemKinds.activity) lookAtActivity(write, Number(id), PendingActivity.decode(value));
      else if (kind === itemKinds.child) isWaitedFor(runId, PendingChild.decode(value).clearance?.hold);
      else if (kind === itemKinds.externalSignal || kind === itemKinds.externalCancel)
        isWaitedFor(runId, PendingExternal.decode(value).clearance?.hold);
    }
    isWaitedFor(runId, RunCore.decode(write.core).startGate?.hold);
    if (closed) for (const [name, attempt] of running) if (attempt.runId === runId) running.delete(name);
  }

  /** Whoever waits for people waits for an approval that is there and pending. */
  function isWaitedFor(runId: string, hold: Hold | undefined): void {
    if (hold === undefined) return;
    const approval = approvals.get(hold.approvalId);
    assert(approval?.runId === runId && approval.status === "pending", `what run ${runId} waits for is pending: ${approval?.status}`);
  }

  function lookAt({ key }: RunWrite, { eventId, attributes }: HistoryEvent): boolean {
    switch (attributes?.$case) {
      case "workflowExecutionStartedEventAttributes": {
        const { parentWorkflowExecution: parent, continuedExecutionRunId, workflowType } = attributes.value;
        if (continuedExecutionRunId !== "") return false;
        const type = workflowType?.name ?? "";
        if (parent === undefined) waiting.set(key.runId, { workflowId: key.workflowId, type });
        else permit({ runId: parent.runId, kind: "child-workflow", name: type, id: key.workflowId, attempt: 1 });
        return false;
      }
      case "workflowTaskScheduledEventAttributes": {
        const begins = waiting.get(key.runId);
        if (begins === undefined) return false;
        waiting.delete(key.runId);
        permit({ runId: key.runId, kind: "workflow-start", name: begins.type, id: begins.workflowId, attempt: 1 });
        return false;
      }
      case "workflowExecutionSignaledEventAttributes": {
        const { externalWorkflowExecution: source, requestId, signalName } = attributes.value;
        if (source !== undefined && isFirst(`${key.runId} ${requestId}`))
          permit({ runId: source.runId, kind: "external-signal", name: signalName, id: key.workflowId, attempt: 1 });
        return false;
      }
      case "workflowExecutionCancelRequestedEventAttributes": {
        const { externalWorkflowExecution: source, externalInitiatedEventId } = attributes.value;
        if (source !== undefined && isFirst(`${source.runId} ${externalInitiatedEventId}`))
          permit({ runId: source.runId, kind: "external-cancellation", name: key.workflowId, id: key.workflowId, attempt: 1 });
        return false;
      }
      case "workflowExecutionCompletedEventAttributes":
      case "workflowExecutionFailedEventAttributes":
      case "workflowExecutionCanceledEventAttributes":
      case "workflowExecutionContinuedAsNewEventAttributes":
        // Whoever is refused before it begins never does.
        waiting.delete(key.runId);
        return eventId > 0;
      default:
        return false;
    }
  }

  /** An event that is buffered comes again when it gets its place in history. */
  function isFirst(name: string): boolean {
    if (delivered.has(name)) return false;
    delivered.add(name);
    return true;
  }

  function lookAtActivity({ key: { runId } }: RunWrite, eventId: number, activity: PendingActivity): void {
    const place = `${runId}/${eventId}`;
    isWaitedFor(runId, activity.hold);
    if (activity.startedTime === 0 || activity.closing) {
      running.delete(place);
      return;
    }
    const attempt = attemptName({ runId, ...activity });
    if (started.has(attempt) || activity.startedIdentity === policyIdentity) return;
    started.add(attempt);
    const { activityType: name, activityId: id } = activity;
    const verdict = permit({ runId, kind: "activity", name, id, attempt: activity.attempt });
    const { concurrency, spend }: { readonly concurrency?: number; readonly spend?: number } =
      verdict?.effect === "ALLOW_WITH_CONSTRAINTS" ? verdict : {};
    const atOnce = [...running.values()].filter(({ rule }) => rule === name).length;
    if (concurrency !== undefined)
      assert(atOnce < concurrency, `${atOnce + 1} attempts of ${name} at one time are more than ${concurrency}`);
    running.set(place, { runId, rule: concurrency === undefined ? null : name });
    if (spend === undefined) return;
    const purse = `${runId} ${name}`;
    const sum = (spent.get(purse) ?? 0) + 1;
    spent.set(purse, sum);
    assert(sum <= spend, `${sum} attempts of ${name} in one run are more than ${spend}`);
  }

  return {
    committed: (changes, outcomes) => {
      const atStart = inForce;
      let next = inForce;
      changes.forEach(({ ledger, runs }, index) => {
        if (outcomes[index] !== "committed") return;
        for (const entry of ledger) {
          record(entry);
          if (entry.kind !== "policy-published" && entry.kind !== "policy-rolled-back") continue;
          const { snapshot_before, snapshot_after } = JSON.parse(Buffer.from(entry.body).toString()) as Fields;
          same("the policy that another one takes the place of", snapshot_before, next);
          next = text(snapshot_after);
          publications++;
        }
        for (const write of runs) look(write);
      });
      before = atStart;
      inForce = next;
    },
    received: ({ workflowExecution, activityId, attempt }) => {
      const name = attemptName({ runId: workflowExecution?.runId ?? "", activityId, attempt });
      assert(started.has(name), `attempt ${name} was started before a worker got it`);
    },
    voted: (approvalId, voter) => acknowledged.push({ approvalId, voter }),
    finish: async (store) => {
      for (const { approvalId, voter } of acknowledged)
        assert(approvals.get(approvalId)?.voters.has(voter) === true, `the vote of ${voter}, which was acknowledged, is recorded`);
      same(
        "approvals that have not ended",
        [...approvals].filter(([, { status }]) => status === "pending"),
        [],
      );
      same(
        "grants that were not used",
        [...approvals].filter(([, { status, uses }]) => (status === "granted") !== (uses === 1)),
        [],
      );
      for (const { id } of await store.readNamespaces())
        same("approvals left", (await store.countApprovals({ namespaceId: id, status: ApprovalStatus.PENDING })).count, 0);
      same("places taken of limits", await store.readHoldings(null, 1), []);
      same("runs that were let in and have not begun", [...waiting], []);
      await verifyLedger(store, written);
      const count = [...decisions.values()].reduce((sum, of) => sum + of.length, 0);
      return { decisions: count, attempts: started.size, approvals: approvals.size, publications };
    },
  };
}

const pageMax = 1_000;

/** The ledger is whole, and has exactly what was written, in that order. */
async function verifyLedger(store: Store, written: readonly LedgerEntry[]): Promise<void> {
  const { heads, next } = await store.readChains({ namespaceId: null, after: null, limit: pageMax });
  assert(next === null, "few chains");
  for (const chain of heads) {
    const entries: ChainedEntry[] = [];
    for (let from = 1; ; from = (entries.at(-1)?.sequence ?? 0) + 1) {
      const page = await store.readChain(chain, from, pageMax);
      entries.push(...page);
      if (page.length < pageMax) break;
    }
    const verified = await verifyChain(entries, { chain, known: [chain], after: { sequence: 0, hash: noHash } });
    assert(verified.ok, `the chain of ${chain.namespaceId} is whole`);
    const shown = ({ kind, at, runId, body }: LedgerEntry) => ({ kind, at, runId, body: Buffer.from(body).toString() });
    same("the ledger", entries.map(shown), written.filter(({ namespaceId }) => namespaceId === chain.namespaceId).map(shown));
  }
  same(
    "entries of the ledger",
    heads.reduce((sum, { sequence }) => sum + sequence, 0),
    written.length,
  );
}

const attemptName = ({ runId, activityId, attempt }: { readonly runId: string; readonly activityId: string; readonly attempt: number }) =>
  `${runId} ${activityId} ${attempt}`;
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const nameOfPolicy = (hash: string): string => (hash === ungoverned ? "no policy" : (policyOf(hash)?.name ?? hash));

/** What the table of a policy says of an action. */
function verdictOn({ kind, name }: Pick<Action, "kind" | "name">, snapshot: string): Verdict {
  const target = kind === "activity" ? name : kind;
  return present(policyOf(snapshot), `policy ${snapshot}`).verdict(target as Target);
}
