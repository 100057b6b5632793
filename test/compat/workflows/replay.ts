import { condition, defineSignal, patched, proxyActivities, proxyLocalActivities, setHandler, sleep, uuid4 } from "@temporalio/workflow";

export type Activities = { greet(name: string): Promise<string> };
const { greet } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });
const local = proxyLocalActivities<Activities>({ startToCloseTimeout: "10s" });

export const proceed = defineSignal("proceed");

/** A little of everything that history knows. */
export async function journey(): Promise<string[]> {
  let mayGo = false;
  setHandler(proceed, () => {
    mayGo = true;
  });
  const steps = [await local.greet("local"), await greet("remote"), uuid4()];
  if (patched("with-timer")) await sleep(1);
  await condition(() => mayGo);
  steps.push(...(await Promise.all([greet("one"), greet("two")])));
  return steps;
}
