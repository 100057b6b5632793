import {
  type ActivityCancellationType,
  type ActivityOptions,
  CancellationScope,
  condition,
  defineSignal,
  isCancellation,
  proxyActivities,
  setHandler,
} from "@temporalio/workflow";

/** What the activities of this file can do; the tests next door implement them. */
export type Activities = {
  greet(name: string): Promise<string>;
  /** Never ends by itself. Heartbeats if asked to. */
  hang(heartbeat: boolean): Promise<void>;
  /** Fails on each attempt but those from `succeedsOn` on, and answers with the number of the attempt. */
  fail(failure: { message: string; type?: string; nonRetryable?: boolean; nextRetryDelay?: string; succeedsOn?: number }): Promise<number>;
  /** Heartbeats one step per attempt, and answers with the step that it resumed from once there are `steps`. */
  inSteps(steps: number): Promise<number>;
  /** Heartbeats until it hears of a cancellation, then confirms it, ignores it or fails. */
  hearCancellation(answer: "confirm" | "ignore" | "fail"): Promise<string>;
  /** Is completed from elsewhere. */
  completedElsewhere(): Promise<string>;
};

export async function callActivity(name: keyof Activities, args: readonly unknown[], options: ActivityOptions): Promise<unknown> {
  const activities = proxyActivities<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>(options);
  return await activities[name]?.(...args);
}

export const cancel = defineSignal("cancel");
export const finish = defineSignal("finish");

/** Cancels its activity when signalled and says how the call ended; then waits to be finished, so that history shows the rest. */
export async function cancelActivity(
  name: keyof Activities,
  args: readonly unknown[],
  options: ActivityOptions & { cancellationType: ActivityCancellationType },
): Promise<string> {
  let cancelled = false;
  let finished = false;
  setHandler(cancel, () => {
    cancelled = true;
  });
  setHandler(finish, () => {
    finished = true;
  });
  const scope = new CancellationScope();
  const call = scope
    .run(() => callActivity(name, args, options))
    .then(
      (value) => `completed: ${String(value)}`,
      (error: unknown) => (isCancellation(error) ? "cancelled" : `failed: ${(error as Error).cause}`),
    );
  await condition(() => cancelled);
  scope.cancel();
  const outcome = await call;
  await condition(() => finished);
  return outcome;
}

/** Runs as many activities as `names` has, at once. */
export async function greetAll(names: readonly string[]): Promise<string[]> {
  const { greet } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });
  return await Promise.all(names.map((name) => greet(name)));
}
