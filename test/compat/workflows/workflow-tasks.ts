import {
  ApplicationFailure,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";

export type Activities = {
  greet(name: string): Promise<string>;
  blockUntilReleased(id: string): Promise<string>;
  completedElsewhere(): Promise<string>;
};
const { greet, completedElsewhere } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });
const local = proxyLocalActivities<Activities>({ startToCloseTimeout: "10s" });

export const nudge = defineSignal<[string]>("nudge");
export const seen = defineQuery<string[]>("seen");

/** Counts its nudges; `finish` ends it. */
export async function nudged(): Promise<string[]> {
  const names: string[] = [];
  setHandler(nudge, (name) => {
    names.push(name);
  });
  setHandler(seen, () => names);
  await condition(() => names.includes("finish"));
  return names;
}

/** Holds its workflow task with a local activity while an activity runs, and answers with the order in which it heard of things. */
export async function busy(id: string): Promise<string[]> {
  const order: string[] = [];
  setHandler(nudge, (name) => {
    order.push(name);
  });
  const remote = completedElsewhere().then((answer) => order.push(answer));
  await sleep(1);
  order.push(await local.blockUntilReleased(id));
  await remote;
  return order;
}

/** Ends in the workflow task in which a local activity holds it, whatever arrived meanwhile. */
export async function hasty(id: string): Promise<string[]> {
  const names: string[] = [];
  setHandler(nudge, (name) => {
    names.push(name);
  });
  await local.blockUntilReleased(id);
  return names;
}

/** Starts over when the server advises it, and answers with the number of its runs. */
export async function advised(runs = 1): Promise<number> {
  while (!workflowInfo().continueAsNewSuggested) await sleep(1);
  if (runs === 2) return runs;
  return await continueAsNew<typeof advised>(runs + 1);
}

/** The first deploy of a workflow whose second is in `workflow-tasks-v2.ts`. */
export async function deployed(): Promise<string> {
  let go = false;
  setHandler(nudge, () => {
    go = true;
  });
  await greet("before");
  await condition(() => go);
  return "version 1";
}

/** Works in this version of the code; `workflow-tasks-v2.ts` has one that throws, and one with other commands. */
export async function changeable(): Promise<string> {
  let go = false;
  setHandler(nudge, () => {
    go = true;
  });
  await sleep(1);
  await condition(() => go);
  return "healed";
}

/** A throw of anything but a Temporal failure is a bug in the code, not the end of the workflow. */
export async function buggy(): Promise<string> {
  return "repaired";
}

export async function failing(): Promise<string> {
  throw ApplicationFailure.create({ message: "as intended", type: "Intended" });
}
