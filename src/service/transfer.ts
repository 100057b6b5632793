import { assertNever } from "../base/assert.ts";
import type { DurationMs, EpochMs } from "../base/time.ts";
import { secondMs } from "../base/time.ts";
import type { Draft, Effect, RunKey } from "../execution/execution.ts";
import { unansweredHolds } from "../execution/held-action.ts";
import { encode } from "../protocol/codec.ts";
import { Hold, PendingChild } from "../protocol/generated/holdfast/state/v1/state.ts";
import { ParentClosePolicy } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { OutboxEntry, OutboxKey, Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";

/** Effects of runs on other runs: stored with the transition that caused them, carried out after its commit, once. */
export type Transfer = {
  encode(draft: Draft): readonly OutboxEntry[];
  added(entries: readonly OutboxEntry[]): void;
  /** Carries out those that it does not know of, and returns them: rows that nobody was going to look at before the next start. */
  takeUp(entries: readonly OutboxEntry[]): readonly OutboxEntry[];
  /** Whether an effect of this run waits to be carried out: any, or the one of this id. */
  isPending(run: RunKey, id?: number): boolean;
  /** Resolves when the effects of a run so far are carried out; with false when those left have failed, and are tried again later. */
  settled(run: RunKey): Promise<boolean>;
  /** Effects whose last try failed, in the order in which they came. */
  failing(): readonly FailingEffect[];
  /** Whether nothing is waiting to be carried out. */
  readonly idle: boolean;
  recover(): Promise<void>;
  stop(): void;
};

export type FailingEffect = {
  readonly run: RunKey;
  readonly kind: Effect["kind"];
  readonly since: EpochMs;
  readonly failures: number;
  readonly error: string;
};

/** Kinds of outbox entries as stored. Numbers are never reused. */
const kinds = {
  "start-child": 1,
  "signal-external": 2,
  "cancel-external": 3,
  "report-to-parent": 4,
  "close-child": 5,
  "settle-approval": 6,
  "escalate-approval": 7,
  "resume-action": 8,
} as const satisfies {
  readonly [K in Effect["kind"]]: number;
};

const concurrencyMax = 64;
const retryAfterMs: DurationMs = secondMs;
const pageMax = 1_000;

export function createTransfer(deps: {
  readonly store: Pick<Store, "readOutbox">;
  readonly log: Log;
  /** Carries out one effect, its entry's removal included, in one commit. */
  readonly carryOut: (key: OutboxKey, effect: Effect) => Promise<void>;
}): Transfer {
  const { store, log, carryOut } = deps;
  const waiting: OutboxEntry[] = [];
  /** Everything that is not carried out yet, by name. */
  const known = new Map<string, Progress>();
  let active = 0;
  /** Entries that failed and wait for their next try. */
  let retrying = 0;
  let order = 0;
  /** Grows from entry to entry, and from process to process with the clock. */
  const nextOrder = (now: EpochMs): number => {
    order = Math.max(order + 1, now * 1000);
    return order;
  };
  let stopped = false;
  /** Who waits for the effects of a run, by its id. */
  const waiters = new Map<string, (() => void)[]>();

  const pendingOf = (run: RunKey): readonly Progress[] => [...known.values()].filter(({ entry }) => entry.run.runId === run.runId);

  /** A try is over: whoever waits looks again. */
  function tell({ runId }: RunKey): void {
    const told = waiters.get(runId) ?? [];
    waiters.delete(runId);
    for (const look of told) look();
  }

  function pump(): void {
    while (!stopped && active < concurrencyMax) {
      const entry = waiting.shift();
      if (entry === undefined) return;
      active++;
      const name = nameOf(entry);
      const progress = known.get(name);
      carryOut(entry, decodeEffect(entry))
        .then(() => {
          // One that was put again meanwhile is another one.
          if (known.get(name) === progress) known.delete(name);
        })
        .catch((error: unknown) => {
          log.warn("an effect on another run failed, trying again", { runId: entry.run.runId, kind: entry.kind }, error);
          if (progress !== undefined) {
            progress.failures++;
            progress.error = error instanceof Error ? error.message : String(error);
          }
          retrying++;
          setTimeout(() => {
            retrying--;
            waiting.push(entry);
            pump();
          }, retryAfterMs).unref();
        })
        .finally(() => {
          active--;
          tell(entry.run);
          pump();
        });
    }
  }

  function add(entries: readonly OutboxEntry[]): void {
    for (const entry of entries) known.set(nameOf(entry), { entry, failures: 0, error: "" });
    waiting.push(...entries);
  }

  return {
    encode: (draft) =>
      [...draft.effects, ...unansweredHolds(draft)].filter(isWanted).map((effect) => ({
        run: draft.key,
        kind: kinds[effect.kind],
        id: idOf(effect),
        body: encodeEffect(effect),
        order: nextOrder(draft.context.now),
      })),
    added: (entries) => {
      if (entries.length === 0) return;
      add(entries);
      pump();
    },
    takeUp: (entries) => {
      const unknown = entries.filter((entry) => !known.has(nameOf(entry)));
      add(unknown);
      pump();
      return unknown;
    },
    isPending: (run, id) =>
      id === undefined ? pendingOf(run).length > 0 : Object.values(kinds).some((kind) => known.has(nameOf({ run, kind, id }))),
    settled: async (run) => {
      for (;;) {
        const pending = pendingOf(run);
        if (pending.length === 0) return true;
        if (stopped || pending.every(({ failures }) => failures > 0)) return false;
        await new Promise<void>((resolve) => waiters.set(run.runId, [...(waiters.get(run.runId) ?? []), resolve]));
      }
    },
    failing: () =>
      [...known.values()]
        .filter(({ failures }) => failures > 0)
        .map(({ entry, failures, error }) => ({ run: entry.run, kind: kindOf(entry), since: orderedAt(entry), failures, error })),
    get idle() {
      return active === 0 && retrying === 0 && waiting.length === 0;
    },
    recover: async () => {
      for (let after = 0; ; ) {
        const page = await store.readOutbox(after, pageMax);
        add(page);
        const last = page.at(-1);
        if (page.length < pageMax || last === undefined) break;
        after = last.order;
      }
      pump();
    },
    stop: () => {
      stopped = true;
      for (const { entry } of known.values()) tell(entry.run);
    },
  };
}

type Progress = { readonly entry: OutboxEntry; failures: number; error: string };

const nameOf = ({ run, kind, id }: OutboxKey): string => `${run.runId}/${kind}/${id}`;

/** When the entry was written: its order begins with the time. */
export const orderedAt = ({ order }: Pick<OutboxEntry, "order">): EpochMs => Math.floor(order / 1000);

const kindOf = (entry: OutboxEntry): Effect["kind"] => decodeEffect(entry).kind;

/** An abandoned child is left alone. */
const isWanted = (effect: Effect): boolean => effect.kind !== "close-child" || effect.child.parentClosePolicy !== ParentClosePolicy.ABANDON;

function idOf(effect: Effect): number {
  switch (effect.kind) {
    case "start-child":
    case "signal-external":
    case "cancel-external":
      return effect.initiated.eventId;
    case "report-to-parent":
      return effect.closed.eventId;
    case "close-child":
      return effect.child.initiatedEventId;
    case "settle-approval":
    case "escalate-approval":
      return effect.eventId;
    case "resume-action":
      return effect.initiatedEventId;
    default:
      return assertNever(effect);
  }
}

const nothing = new Uint8Array(0);

function encodeEffect(effect: Effect): Uint8Array {
  switch (effect.kind) {
    case "start-child":
    case "signal-external":
    case "cancel-external":
      return encode(HistoryEvent, effect.initiated);
    case "report-to-parent":
      return encode(HistoryEvent, effect.closed);
    case "close-child":
      return encode(PendingChild, effect.child);
    case "settle-approval":
    case "escalate-approval":
      return encode(Hold, effect.hold);
    case "resume-action":
      return nothing;
    default:
      return assertNever(effect);
  }
}

function decodeEffect({ kind, id, body }: OutboxEntry): Effect {
  switch (kind) {
    case kinds["start-child"]:
      return { kind: "start-child", initiated: HistoryEvent.decode(body) };
    case kinds["signal-external"]:
      return { kind: "signal-external", initiated: HistoryEvent.decode(body) };
    case kinds["cancel-external"]:
      return { kind: "cancel-external", initiated: HistoryEvent.decode(body) };
    case kinds["report-to-parent"]:
      return { kind: "report-to-parent", closed: HistoryEvent.decode(body) };
    case kinds["close-child"]:
      return { kind: "close-child", child: PendingChild.decode(body) };
    case kinds["settle-approval"]:
      return { kind: "settle-approval", eventId: id, hold: Hold.decode(body) };
    case kinds["escalate-approval"]:
      return { kind: "escalate-approval", eventId: id, hold: Hold.decode(body) };
    case kinds["resume-action"]:
      return { kind: "resume-action", initiatedEventId: id };
    default:
      throw new Error(`assertion failed: unknown outbox kind ${kind}`);
  }
}
