import { condition, defineQuery, defineSignal, proxyActivities, proxyLocalActivities, setHandler } from "@temporalio/workflow";

export type Activities = { hold(name: string): Promise<void> };
const { hold } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });
const { hold: holdInTask } = proxyLocalActivities<Activities>({ startToCloseTimeout: "10s" });

export const note = defineSignal<[number]>("note");
export const enough = defineSignal("enough");
export const noted = defineQuery<readonly number[]>("noted");

/** Notes what it is told, in order, until it has heard enough. */
export async function listener(): Promise<readonly number[]> {
  const notes: number[] = [];
  let over = false;
  setHandler(note, (value) => void notes.push(value));
  setHandler(enough, () => {
    over = true;
  });
  setHandler(noted, () => notes);
  await condition(() => over);
  return notes;
}

/** Listens while an activity is under way. */
export async function listenerAtWork(name: string): Promise<readonly number[]> {
  const notes: number[] = [];
  setHandler(note, (value) => void notes.push(value));
  await hold(name);
  return notes;
}

/** Listens while its worker is in the middle of a workflow task. */
export async function listenerInTask(name: string): Promise<readonly number[]> {
  const notes: number[] = [];
  setHandler(note, (value) => void notes.push(value));
  await holdInTask(name);
  return notes;
}
