import type { Store } from "../../store/store.ts";
import { overdueAfter } from "../reconciler/finding.ts";
import type { Reconciler } from "../reconciler/reconciler.ts";
import type { FailingEffect, Transfer } from "../transfer.ts";
import { type Checkup, counted, examplesMax, groupedBy, type Symptom } from "./symptom.ts";

const pageMax = 1_000;

/** Work of the server's own that is late: wake-ups and effects. And what the reconciler had to repair lately. */
export function dueWork(deps: {
  readonly store: Pick<Store, "readWakes">;
  readonly transfer: Pick<Transfer, "failing">;
  readonly reconciler: Pick<Reconciler, "recent">;
}): Checkup {
  const { store, transfer, reconciler } = deps;
  return async (now) => {
    const overdue = await store.readWakes(now - overdueAfter, null, pageMax);
    const [first] = overdue;
    const late: readonly Symptom[] =
      first === undefined
        ? []
        : [
            {
              kind: "overdue-run",
              severity: "critical",
              namespaceId: null,
              what: `timers, time-outs or retries of ${overdue.length === pageMax ? "more than " : ""}${counted(overdue.length, "run")} are overdue`,
              since: first.wakeAt,
              why: "the server cannot keep up, its disk is slow or full, or its clock was set forward; its log says what fails",
              executed: "nothing of what is overdue",
              safe: "look at the load and the disk; the server carries out what is due by itself, also after a restart",
              count: overdue.length,
              examples: overdue.slice(0, examplesMax).map(({ key }) => key),
            },
          ];
    return [...late, ...failing(transfer.failing()), ...repaired(reconciler.recent())];
  };
}

function failing(effects: readonly FailingEffect[]): readonly Symptom[] {
  return groupedBy(effects, ({ kind }) => kind).map((group) => ({
    kind: "effect-failing",
    severity: "critical",
    namespaceId: null,
    what: `${counted(group.length, "effect")} on other runs (\`${group[0]?.kind}\`) cannot be carried out`,
    since: Math.min(...group.map(({ since }) => since)),
    why: `the last failure: ${group.at(-1)?.error ?? ""}`,
    executed: "nothing of them: each takes effect as a whole, or not at all",
    safe: "look at the server's log; they are tried again every second, also after a restart",
    count: group.length,
    examples: group.slice(0, examplesMax).map(({ run }) => run),
  }));
}

function repaired(recent: ReturnType<Reconciler["recent"]>): readonly Symptom[] {
  const repairs = recent.filter(({ outcome }) => outcome === "repaired");
  return groupedBy(repairs, ({ kind }) => kind).map((group) => ({
    kind: "repaired",
    severity: "warning",
    namespaceId: null,
    what: `the server repaired \`${group[0]?.kind}\` ${counted(group.length, "time")} within the last hour`,
    since: Math.min(...group.map(({ since }) => since)),
    why: "the database was edited or restored by hand, or the server has a bug that is worth an issue",
    executed: `what was repaired went on from where it stood: ${group[0]?.detail ?? ""}`,
    safe: "nothing has to be done for these runs; see the log for each",
    count: group.length,
    examples: group.flatMap(({ run }) => (run === null ? [] : [run])).slice(0, examplesMax),
  }));
}
