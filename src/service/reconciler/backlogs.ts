import { decodeRun } from "../../execution/stored-run.ts";
import { waitingTasks } from "../../execution/unattended.ts";
import type { BacklogTask, QueueKey, Store } from "../../store/store.ts";
import type { InlineWorker } from "../dispatch.ts";
import type { Matching } from "../matching.ts";
import type { Runs } from "../runs.ts";
import { type Check, type Finding, overdueAfter } from "./finding.ts";
import { nextTurn, repair } from "./repair.ts";

const queuesMax = 20;
const rowsMax = 10;

/** Looks at the heads of backlogs: whether somebody comes for them, and whether their runs still want them. */
export function backlogs(deps: {
  readonly store: Pick<Store, "readTasks" | "loadRun">;
  readonly runs: Pick<Runs<InlineWorker>, "transact" | "submit">;
  readonly matching: Pick<Matching, "queues" | "isPolled" | "lookAgain">;
}): Check {
  const { store, runs, matching } = deps;
  let next = 0;

  async function isDead(task: BacklogTask): Promise<boolean> {
    await nextTurn();
    const stored = await store.loadRun(task.run);
    return stored === null || !waitingTasks(decodeRun(task.run, stored)).some((waiting) => isSame(waiting, task));
  }

  async function look(queue: QueueKey, now: number): Promise<readonly Finding[]> {
    const rows = (await store.readTasks(queue, null, rowsMax)).filter(({ enqueuedAt }) => enqueuedAt <= now - overdueAfter);
    const findings: Finding[] = [];
    let oldest: BacklogTask | null = null;
    for (const row of rows) {
      if (!(await isDead(row))) {
        if (oldest === null || row.enqueuedAt < oldest.enqueuedAt) oldest = row;
        continue;
      }
      const { run, type, scheduledEventId, enqueuedAt: since } = row;
      const removed = await repair(runs, run, (draft) => !waitingTasks({ ...draft.base }).some((waiting) => isSame(waiting, row)), {
        deleteTasks: [row],
      });
      if (removed)
        findings.push({
          kind: "dead-task",
          outcome: "repaired",
          run,
          detail: `${type} task of event ${scheduledEventId} is removed`,
          since,
        });
    }
    if (oldest === null) return findings;
    const found = { run: null, since: oldest.enqueuedAt } as const;
    const named = `${queue.type} task queue \`${queue.taskQueue}\``;
    if (!matching.isPolled(queue, overdueAfter))
      return [...findings, { ...found, kind: "unpolled-queue", outcome: "reported", detail: `no worker polls the ${named}` }];
    if (!matching.lookAgain(queue)) return findings;
    return [...findings, { ...found, kind: "forgotten-backlog", outcome: "repaired", detail: `the ${named} is read again` }];
  }

  return async (now) => {
    const queues = matching.queues();
    if (next >= queues.length) next = 0;
    const page = queues.slice(next, next + queuesMax);
    next += queuesMax;
    const findings: Finding[] = [];
    for (const queue of page) findings.push(...(await look(queue, now)));
    return findings;
  };
}

type Named = Pick<BacklogTask, "type" | "scheduledEventId">;
/** There is one row for each: that of a later attempt has taken its place, and must not be taken for the former. */
const isSame = (a: Named, b: Named): boolean => a.type === b.type && a.scheduledEventId === b.scheduledEventId;
