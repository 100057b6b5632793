import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  proxyActivities,
  setHandler,
  sleep,
  startChild,
} from "@temporalio/workflow";

export type Activities = { hold(): Promise<void> };

export const finish = defineSignal("finish");
export const state = defineQuery<string>("state");

export async function waits(): Promise<string> {
  let over = false;
  setHandler(finish, () => {
    over = true;
  });
  setHandler(state, () => (over ? "over" : "waiting"));
  await condition(() => over);
  return "finished";
}

export async function ends(how: "well" | "badly"): Promise<void> {
  if (how === "badly") throw ApplicationFailure.nonRetryable("badly");
}

/** Has one of everything pending. */
export async function hasEverything(): Promise<void> {
  const { hold } = proxyActivities<Activities>({ startToCloseTimeout: "10s", heartbeatTimeout: "5s", retry: { maximumAttempts: 3 } });
  await startChild(waits, { workflowId: "pending-child", taskQueue: "nobody" });
  await Promise.all([hold(), sleep("1 hour")]);
}

/** Makes a history of `3 * count` events and a few. */
export async function naps(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => sleep(1 + (index % 2))));
}
