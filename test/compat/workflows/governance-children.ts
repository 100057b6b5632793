import {
  ApplicationFailure,
  CancellationScope,
  type ChildWorkflowCancellationType,
  ChildWorkflowFailure,
  condition,
  defineQuery,
  defineSignal,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  type ParentClosePolicy,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
} from "@temporalio/workflow";

/** What an ordinary `catch` sees of a child that was refused. */
export type CaughtChild = {
  readonly outer: string;
  readonly workflowType: string;
  readonly retryState: string;
  readonly type: string;
  readonly message: string;
  readonly nonRetryable: boolean;
  readonly details: unknown;
};

export const poke = defineSignal<[string]>("poke");
export const forbidden = defineSignal<[string]>("forbidden");
export const stop = defineSignal("stop");
export const seen = defineQuery<readonly string[]>("seen");

/** The child of these files: answers with its input and the limits that it got. */
export async function payout({ amount }: { amount: number }): Promise<string> {
  const { runTimeoutMs, retryPolicy } = workflowInfo();
  const limits = [runTimeoutMs ? `within ${runTimeoutMs} ms` : "", retryPolicy ? `in ${retryPolicy.maximumAttempts} tries` : ""];
  return [`paid ${amount}`, ...limits.filter((limit) => limit !== "")].join(" ");
}

type Options = { readonly retry?: { maximumAttempts: number }; readonly workflowId?: string; readonly staticSummary?: string };

/** Asks for a child and answers with what came of it. A timer follows, so that history goes on after it. */
export async function tryChild(amount: number, options: Options = {}): Promise<unknown> {
  try {
    return await executeChild(payout, { ...options, args: [{ amount }] });
  } catch (error) {
    if (!(error instanceof ChildWorkflowFailure)) throw error;
    const { cause } = error;
    const application = cause instanceof ApplicationFailure ? cause : null;
    await sleep(1);
    const caught: CaughtChild = {
      outer: error.name,
      workflowType: error.workflowType,
      retryState: error.retryState ?? "",
      type: application?.type ?? "",
      message: cause?.message ?? "",
      nonRetryable: application?.nonRetryable ?? false,
      details: application?.details?.[0],
    };
    return caught;
  }
}

/** Cancels its child once it is told to, and says how the wait for it ended. */
export async function givesUpChild(cancellationType: ChildWorkflowCancellationType, workflowId: string): Promise<string> {
  let stopped = false;
  setHandler(stop, () => {
    stopped = true;
  });
  const scope = new CancellationScope();
  const running = scope
    .run(() => executeChild(payout, { workflowId, cancellationType, args: [{ amount: 500 }] }))
    .then(
      (value) => `completed: ${value}`,
      (error: unknown) => (isCancellation(error) ? "cancelled" : `failed: ${(error as Error).cause}`),
    );
  await condition(() => stopped);
  scope.cancel();
  const ended = await running;
  await sleep(1);
  return ended;
}

/** Ends while its child waits. */
export async function leavesPayout(workflowId: string, parentClosePolicy: ParentClosePolicy): Promise<void> {
  let stopped = false;
  setHandler(stop, () => {
    stopped = true;
  });
  startChild(payout, { workflowId, parentClosePolicy, args: [{ amount: 500 }] }).catch(() => {});
  await condition(() => stopped);
}

/** Waits for its cancellation, and notes the signals that reach it. */
export async function target(): Promise<void> {
  const signals: string[] = [];
  setHandler(seen, () => signals);
  setHandler(poke, (text) => void signals.push(`poke ${text}`));
  setHandler(forbidden, (text) => void signals.push(`forbidden ${text}`));
  await condition(() => false);
}

/** Reaches for another workflow, and answers with how that ended. */
export async function reach(workflowId: string, how: "poke" | "forbidden" | "cancel"): Promise<string> {
  const other = getExternalWorkflowHandle(workflowId);
  let ended = "done";
  try {
    if (how === "cancel") await other.cancel();
    else await other.signal(how === "poke" ? poke : forbidden, workflowInfo().workflowId);
  } catch (error) {
    ended = isCancellation(error) ? "cancelled" : (error as Error).message;
  }
  await sleep(1);
  return ended;
}
