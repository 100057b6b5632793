import type { Duration, SearchAttributeUpdatePair } from "@temporalio/common";
import {
  CancellationScope,
  condition,
  defineSignal,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from "@temporalio/workflow";

export type Activities = { cleanUp(name: string): Promise<string>; echo(text: string): Promise<string> };
const { cleanUp } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });

export async function waits(duration: Duration = "1 hour"): Promise<void> {
  await sleep(duration);
}

/** Keeps its worker's thread for longer than a workflow task may take, the first time only. */
export async function blocks(ms: number): Promise<string> {
  const { unsafe, historyLength } = workflowInfo();
  const until = unsafe.now() + ms;
  if (historyLength <= 3) while (unsafe.now() < until);
  return "done";
}

export async function cleansUp(name: string): Promise<void> {
  try {
    await sleep("1 hour");
  } catch (error) {
    if (isCancellation(error)) await CancellationScope.nonCancellable(() => cleanUp(name));
    throw error;
  }
}

export async function survives(): Promise<string> {
  await CancellationScope.nonCancellable(() => sleep(300));
  return "went through with it";
}

export const go = defineSignal("go");

export async function upserts(
  memo: Record<string, unknown>,
  attributes: SearchAttributeUpdatePair[],
  waitForGo: boolean,
): Promise<{ memo: unknown; keywords: unknown }> {
  let gone = !waitForGo;
  setHandler(go, () => {
    gone = true;
  });
  upsertMemo(memo);
  if (attributes.length > 0) upsertSearchAttributes(attributes);
  await condition(() => gone);
  const info = workflowInfo();
  return { memo: info.memo, keywords: info.typedSearchAttributes.getAll() };
}

export async function describesItself(): Promise<void> {
  setCurrentDetails("half way");
  const { echo } = proxyActivities<Activities>({ startToCloseTimeout: "10s", summary: "an echo" });
  await sleep(10, { summary: "a nap" });
  await echo("hello");
  await condition(() => false);
}

export async function hasPriority(): Promise<unknown> {
  const { echo } = proxyActivities<Activities>({ startToCloseTimeout: "10s", priority: { priorityKey: 1 } });
  const inherited = proxyActivities<Activities>({ startToCloseTimeout: "10s" });
  await echo("its own");
  await inherited.echo("inherited");
  return workflowInfo().priority;
}
