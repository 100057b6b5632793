import { proxyActivities, proxyLocalActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const options = { startToCloseTimeout: "1 minute" } as const;
const kinds = { regular: proxyActivities<typeof activities>(options), local: proxyLocalActivities<typeof activities>(options) };

export type StepKind = keyof typeof kinds;

/** So many activities one after the other. */
export async function sequence(kind: StepKind, steps: number): Promise<number> {
  let sum = 0;
  for (let index = 0; index < steps; index++) sum += await kinds[kind].step(index);
  return sum;
}
