import { ApplicationFailure, condition, defineQuery, defineSignal, setHandler, sleep } from "@temporalio/workflow";

export const notes = defineQuery<string[]>("notes");
export const echo = defineQuery<string, [string, number]>("echo");
export const broken = defineQuery<void>("broken");
export const note = defineSignal<[string]>("note");
export const end = defineSignal<["complete" | "fail"]>("end");

/** Keeps notes until it is told how to end. */
export async function notebook(): Promise<number> {
  const taken: string[] = [];
  let ending: "complete" | "fail" | undefined;
  setHandler(notes, () => taken);
  setHandler(echo, (text, times) => text.repeat(times));
  setHandler(broken, () => {
    throw new Error("the query's own failure");
  });
  setHandler(note, (text) => {
    taken.push(text);
  });
  setHandler(end, (how) => {
    ending = how;
  });
  taken.push("started");
  await sleep(1);
  taken.push("slept");
  await condition(() => ending !== undefined);
  taken.push("ended");
  if (ending === "fail") throw ApplicationFailure.nonRetryable("as told");
  return taken.length;
}
