import { CancellationScope, isCancellation, sleep } from "@temporalio/workflow";

export async function sleeper(ms: number): Promise<string> {
  await sleep(ms);
  return "awake";
}

/** Starts timers in the given order and answers with the order in which they fired. */
export async function alarms(durations: readonly number[]): Promise<number[]> {
  const fired: number[] = [];
  await Promise.all(durations.map((ms) => sleep(ms).then(() => fired.push(ms))));
  return fired;
}

/** Cancels a timer in the workflow task after the one that started it. */
export async function cancelledTimer(): Promise<string> {
  const scope = new CancellationScope();
  const timer = scope.run(() => sleep("1h"));
  await sleep(1);
  scope.cancel();
  return timer.then(
    () => "fired",
    (error: unknown) => (isCancellation(error) ? "cancelled" : "failed"),
  );
}

/** Cancels a timer before the server has heard of it. */
export async function timerNeverStarted(): Promise<string> {
  const scope = new CancellationScope();
  const timer = scope.run(() => sleep("1h"));
  scope.cancel();
  return timer.then(
    () => "fired",
    (error: unknown) => (isCancellation(error) ? "cancelled" : "failed"),
  );
}
