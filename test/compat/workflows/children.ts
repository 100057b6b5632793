import type { Duration } from "@temporalio/common";
import {
  ApplicationFailure,
  CancellationScope,
  type ChildWorkflowCancellationType,
  type ChildWorkflowOptions,
  condition,
  continueAsNew,
  defineSignal,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
} from "@temporalio/workflow";

export const poke = defineSignal<[string]>("poke");
export const stop = defineSignal("stop");

type ChildOptions = Omit<ChildWorkflowOptions, "args">;

/** Answers who it is. */
export async function child(name: string): Promise<string> {
  return `${name} of ${workflowInfo().parent?.workflowId}`;
}

export async function failingChild(): Promise<never> {
  throw ApplicationFailure.nonRetryable("the child cannot", "ChildCannot", { why: 1 });
}

/** Fails until its attempt is the third. */
export async function retriedChild(): Promise<number> {
  const { attempt } = workflowInfo();
  if (attempt < 3) throw ApplicationFailure.retryable(`attempt ${attempt}`);
  return attempt;
}

/** Waits for a signal, which it answers with, or for its cancellation, after which it takes `cleanup` to go. */
export async function patientChild(cleanup: Duration = 0): Promise<string> {
  let poked: string | undefined;
  setHandler(poke, (by) => {
    poked = by;
  });
  try {
    await condition(() => poked !== undefined);
    return `poked by ${poked}`;
  } catch (error) {
    if (isCancellation(error) && cleanup !== 0) await CancellationScope.nonCancellable(() => sleep(cleanup));
    throw error;
  }
}

export async function chainChild(left: number): Promise<string> {
  if (left > 0) return continueAsNew<typeof chainChild>(left - 1);
  return "end of the chain";
}

/** What a child can read of how it was started. */
export async function informedChild() {
  const { taskQueue, memo, typedSearchAttributes, runTimeoutMs, executionTimeoutMs, taskTimeoutMs, retryPolicy, parent, root } =
    workflowInfo();
  return {
    taskQueue,
    memo,
    keywords: typedSearchAttributes.getAll(),
    runTimeoutMs,
    executionTimeoutMs,
    taskTimeoutMs,
    retryPolicy,
    parent,
    root,
  };
}

export async function runsChild(type: string, args: unknown[], options: ChildOptions = {}): Promise<unknown> {
  return executeChild(type, { ...options, args });
}

/** Closes with its child still at it, or in the same workflow task that asks for the child. */
export async function leavesChild(workflowId: string, policy: ParentClosePolicy, waitForStart: boolean): Promise<void> {
  const started = startChild(patientChild, { workflowId, parentClosePolicy: policy, args: [0] });
  if (waitForStart) await started;
  else started.catch(() => {});
}

/** Cancels its child and tells when and how the wait for it ended. */
export async function cancelsChild(
  workflowId: string,
  cancellationType: ChildWorkflowCancellationType,
  cleanup: Duration,
): Promise<string> {
  const scope = new CancellationScope();
  const running = scope.run(async () => {
    const handle = await startChild(patientChild, {
      workflowId,
      cancellationType,
      args: [cleanup],
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
    return handle.result();
  });
  running.catch(() => {});
  let stopped = false;
  setHandler(stop, () => {
    stopped = true;
  });
  await condition(() => stopped);
  scope.cancel();
  try {
    return await running;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : "";
  }
}

export async function signalsChild(workflowId: string): Promise<string> {
  const handle = await startChild(patientChild, { workflowId });
  await handle.signal(poke, workflowInfo().workflowId);
  return handle.result();
}

export async function signalsOther(workflowId: string, runId?: string): Promise<void> {
  await getExternalWorkflowHandle(workflowId, runId).signal(poke, workflowInfo().workflowId);
}

export async function signalsItself(): Promise<string> {
  let poked: string | undefined;
  setHandler(poke, (by) => {
    poked = by;
  });
  await getExternalWorkflowHandle(workflowInfo().workflowId).signal(poke, "itself");
  await condition(() => poked !== undefined);
  return `poked by ${poked}`;
}

export async function cancelsOther(workflowId: string): Promise<void> {
  await getExternalWorkflowHandle(workflowId).cancel();
}

export async function cancelsItself(): Promise<void> {
  await CancellationScope.nonCancellable(() => getExternalWorkflowHandle(workflowInfo().workflowId).cancel());
  await condition(() => false);
}
