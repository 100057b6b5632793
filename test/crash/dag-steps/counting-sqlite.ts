import { openSqlite as open } from "../../../src/store/sqlite/sqlite.ts";
import type { Change, RunKey, Store } from "../../../src/store/store.ts";

// Stands in for the store adapter in the server under test. It counts the commits that touch one run and its subworkflows, and kills the
// process just before or just after one of them.

/** Of the next run of this workflow: where its server dies. `at` begins with 1; null only counts. */
export type Plan = { readonly workflow: string; readonly at: number | null; readonly when: "before" | "after" };
export type Said = { readonly ready: true } | { readonly armed: true } | { readonly commits: number };

export const say = (said: Said): void => void process.send?.(said);

let plan: Plan | null = null;
let workflowId: string | null = null;
let commits = 0;

process.on("message", (next: Plan) => {
  plan = next;
  workflowId = null;
  commits = 0;
  say({ armed: true });
});

/** Nothing of the process goes on after this, whoever waits for it. */
function die(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}

export async function openSqlite(options: Parameters<typeof open>[0]): Promise<Store> {
  const store = await open(options);
  return {
    ...store,
    async commit(changes) {
      if (plan === null || !changes.some(concerns)) return store.commit(changes);
      commits++;
      const { at, when } = plan;
      if (commits === at && when === "before") return die();
      const isLast = commits === at;
      const outcomes = await store.commit(changes);
      if (isLast) return die();
      say({ commits });
      return outcomes;
    },
  };
}

function concerns({ runs, putTasks, deleteTasks, putOutbox, deleteOutbox, putApprovals }: Change): boolean {
  if (workflowId === null) {
    const begun = runs.find(({ expectedVersion, visibility }) => expectedVersion === 0 && visibility?.workflowType === plan?.workflow);
    workflowId = begun?.key.workflowId ?? null;
  }
  const isOurs = (key: RunKey): boolean => key.workflowId === workflowId || key.workflowId.startsWith(`${workflowId}:`);
  return (
    workflowId !== null &&
    (runs.some(({ key }) => isOurs(key)) ||
      [...putTasks, ...deleteTasks, ...putOutbox, ...deleteOutbox, ...putApprovals].some(({ run }) => isOurs(run)))
  );
}
