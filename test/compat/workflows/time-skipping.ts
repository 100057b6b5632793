import { condition, defineQuery, defineSignal, proxyActivities, setHandler, sleep } from "@temporalio/workflow";

export type Activities = { takeMs(ms: number): Promise<number>; fail(): Promise<void> };
const { takeMs, fail } = proxyActivities<Activities>({ startToCloseTimeout: "1m", retry: { initialInterval: "1h", maximumAttempts: 4 } });

export async function longSleep(hours: number): Promise<number> {
  const from = Date.now();
  await sleep(hours * 3_600_000);
  return Date.now() - from;
}

export const approve = defineSignal<[string]>("approve");
export const waiting = defineQuery<boolean>("waiting");

/** Waits two days for a person. */
export async function approval(): Promise<string> {
  let by: string | undefined;
  setHandler(approve, (person) => {
    by = person;
  });
  setHandler(waiting, () => by === undefined);
  return (await condition(() => by !== undefined, "48h")) ? `approved by ${by}` : "nobody answered";
}

/** Alternates between an activity and a day of sleep. */
export async function week(): Promise<number> {
  let worked = 0;
  for (let day = 0; day < 7; day++) {
    worked += await takeMs(5);
    await sleep("1d");
  }
  return worked;
}

/** Runs an activity next to a timer that is due after it in real time, but would be skipped to if the clock did not wait. */
export async function race(activityMs: number): Promise<string> {
  return await Promise.race([takeMs(activityMs).then(() => "activity"), sleep("10m").then(() => "timer")]);
}

export async function retriesByTheHour(): Promise<string> {
  return await fail().then(
    () => "succeeded",
    () => "failed",
  );
}
