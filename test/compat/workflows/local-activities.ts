import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  deprecatePatch,
  type LocalActivityOptions,
  proxyLocalActivities,
  setHandler,
  sleep,
  uuid4,
  workflowInfo,
} from "@temporalio/workflow";

export type Activities = {
  greet(name: string): Promise<string>;
  /** Fails on every attempt before `succeedsOn`, and answers with the number of the attempt. */
  flaky(succeedsOn: number, nonRetryable: boolean): Promise<number>;
  takeMs(ms: number): Promise<string>;
};

export async function callLocally(name: keyof Activities, args: readonly unknown[], options: LocalActivityOptions = {}): Promise<unknown> {
  const activities = proxyLocalActivities<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>({
    startToCloseTimeout: "10s",
    ...options,
  });
  return await activities[name]?.(...args);
}

/** Local activities one after the other and at once, in one workflow task. */
export async function greetLocally(names: readonly string[]): Promise<string[]> {
  const { greet } = proxyLocalActivities<Activities>({ startToCloseTimeout: "10s" });
  const [first = "", ...others] = names;
  return [await greet(first), ...(await Promise.all(others.map((name) => greet(name))))];
}

export const values = defineQuery<unknown[]>("values");
export const done = defineSignal("done");

/** What code may not take from the outside world: ids, random numbers, the time. */
export async function deterministic(): Promise<unknown[]> {
  const seen: unknown[] = [];
  let finished = false;
  setHandler(values, () => seen);
  setHandler(done, () => {
    finished = true;
  });
  seen.push(uuid4(), uuid4(), Math.random(), Date.now(), workflowInfo().runId);
  await sleep(5);
  seen.push(uuid4(), Math.random(), Date.now());
  await condition(() => finished);
  return seen;
}

export async function oldPatch(): Promise<string> {
  deprecatePatch("retired");
  await sleep(1);
  return "done";
}

/** A local activity, then a failure that says what it knew. */
export async function failAfterwards(): Promise<never> {
  const { greet } = proxyLocalActivities<Activities>({ startToCloseTimeout: "10s" });
  throw ApplicationFailure.nonRetryable(await greet("whoever reads the failure"));
}
