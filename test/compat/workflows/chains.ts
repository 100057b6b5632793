import { ApplicationFailure, condition, continueAsNew, makeContinueAsNewFunc, workflowInfo } from "@temporalio/workflow";

/** Counts down, one run a step, and tells where it came from. */
export async function countdown(from: number, seen: readonly string[] = []): Promise<{ firstRunId: string; runs: readonly string[] }> {
  const { runId, firstExecutionRunId } = workflowInfo();
  const runs = [...seen, runId];
  if (from > 0) return continueAsNew<typeof countdown>(from - 1, runs);
  return { firstRunId: firstExecutionRunId, runs };
}

/** Goes on as a run that is different in everything. */
export async function changesItself(taskQueue: string): Promise<void> {
  await makeContinueAsNewFunc<typeof changed>({
    workflowType: changed.name,
    taskQueue,
    workflowRunTimeout: "1 minute",
    workflowTaskTimeout: "5s",
    memo: { note: "changed" },
    searchAttributes: { Customer: ["Bob"] },
  })("argument");
}

export async function changed(argument: string) {
  const { workflowType, taskQueue, memo, runTimeoutMs, taskTimeoutMs, typedSearchAttributes, retryPolicy, attempt } = workflowInfo();
  const maximumAttempts = retryPolicy?.maximumAttempts;
  return {
    argument,
    workflowType,
    taskQueue,
    memo,
    runTimeoutMs,
    taskTimeoutMs,
    keywords: typedSearchAttributes.getAll(),
    maximumAttempts,
    attempt,
  };
}

/** Goes on with what it is, memo and search attributes included. */
export async function keepsItself(again = true): Promise<unknown> {
  if (again) return continueAsNew<typeof keepsItself>(false);
  const { memo, typedSearchAttributes } = workflowInfo();
  return { memo, keywords: typedSearchAttributes.getAll() };
}

/** Fails until its attempt is `goodAttempt`. */
export async function failsBefore(goodAttempt: number): Promise<{ attempt: number; lastFailure: string | undefined }> {
  const { attempt, lastFailure } = workflowInfo();
  if (attempt < goodAttempt) throw ApplicationFailure.create({ message: `attempt ${attempt}`, type: "TooEarly" });
  return { attempt, lastFailure: lastFailure?.message };
}

export async function failsForGood(): Promise<void> {
  throw ApplicationFailure.nonRetryable("never again");
}

/** Each run adds one to the result of the last. */
export async function tally(failAt = 0): Promise<number> {
  const { lastResult } = workflowInfo();
  const count = (typeof lastResult === "number" ? lastResult : 0) + 1;
  if (count === failAt) throw ApplicationFailure.create({ message: `no ${failAt}` });
  return count;
}

/** A run of a schedule that never ends by itself. */
export async function forever(): Promise<void> {
  await condition(() => false);
}
