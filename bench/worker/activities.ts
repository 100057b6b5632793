import { activityInfo } from "@temporalio/activity";

/** When each step of each workflow began, milliseconds of `performance.now()`. */
export const begun = new Map<string, number[]>();

/** One step: it does nothing but note that it ran. */
export async function step(index: number): Promise<number> {
  const { workflowExecution } = activityInfo();
  const key = workflowExecution?.runId ?? "";
  const times = begun.get(key);
  if (times === undefined) begun.set(key, [performance.now()]);
  else times.push(performance.now());
  return index;
}
