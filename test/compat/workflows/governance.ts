import {
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  CancellationScope,
  condition,
  defineSignal,
  isCancellation,
  proxyActivities,
  setHandler,
  sleep,
} from "@temporalio/workflow";

/** What the activities of these files can do; the tests next door implement them. */
export type Activities = {
  wipeDisk(path: string): Promise<string>;
  refund(order: { amount: number }): Promise<string>;
  /** Fails on each attempt before `succeedsOn`, and answers with the number of the attempt. */
  charge(order: { succeedsOn: number }): Promise<number>;
  /** Never ends by itself. */
  hang(): Promise<void>;
  /** Fails at once on the first attempt, and never ends by itself on a later one. */
  stall(): Promise<void>;
  greet(name: unknown): Promise<string>;
  /** One of many, each under rules of its own. */
  [work: `work${number}`]: () => Promise<string>;
  /** What the server carries out itself. */
  [builtIn: `holdfast.${string}`]: (input: unknown) => Promise<unknown>;
  /** Like `charge`, under other rules. */
  ponder(order: { succeedsOn: number }): Promise<number>;
};

/** What an ordinary `catch` sees. */
export type Caught = {
  readonly outer: string;
  readonly activityType: string;
  readonly retryState: string;
  readonly inner: string;
  readonly type: string;
  readonly message: string;
  readonly nonRetryable: boolean;
  readonly details: unknown;
};

type Call = { readonly name: keyof Activities; readonly args: readonly unknown[]; readonly options?: ActivityOptions };

async function call({ name, args, options = { startToCloseTimeout: "10s" } }: Call): Promise<unknown> {
  return await proxyActivities<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>(options)[name]?.(...args);
}

function caught(error: unknown): Caught {
  if (!(error instanceof ActivityFailure)) throw error;
  const { cause } = error;
  const application = cause instanceof ApplicationFailure ? cause : null;
  return {
    outer: error.name,
    activityType: error.activityType,
    retryState: error.retryState ?? "",
    inner: cause?.name ?? "",
    type: application?.type ?? "",
    message: cause?.message ?? "",
    nonRetryable: application?.nonRetryable ?? false,
    details: application?.details?.[0],
  };
}

/** Calls an activity and answers with what came of it. A timer follows, so that history goes on after it. */
export async function tryActivity(name: keyof Activities, args: readonly unknown[], options?: ActivityOptions): Promise<unknown> {
  try {
    return await call({ name, args, ...(options === undefined ? {} : { options }) });
  } catch (error) {
    const seen = caught(error);
    await sleep(1);
    return seen;
  }
}

/** Calls all of them at once; one that was refused does not stop the others. */
export async function tryAll(calls: readonly Call[]): Promise<readonly unknown[]> {
  return await Promise.all(calls.map((one) => call(one).catch(caught)));
}

/** Calls one after the other. */
export async function tryInTurn(calls: readonly Call[]): Promise<readonly unknown[]> {
  const seen: unknown[] = [];
  for (const one of calls) seen.push(await call(one).catch(caught));
  return seen;
}

/** Is done after that many milliseconds on the server's clock. */
export async function rest(ms: number): Promise<void> {
  await sleep(ms);
}

export const cancel = defineSignal("cancel");

/** Cancels its call when it is signalled, or at once. */
export async function cancelCall(one: Call, when: "when-signalled" | "at-once"): Promise<string> {
  let cancelled = when === "at-once";
  setHandler(cancel, () => {
    cancelled = true;
  });
  const scope = new CancellationScope();
  const called = scope
    .run(() => call(one))
    .then(
      (value) => `completed: ${value}`,
      (error: unknown) => (isCancellation(error) ? "cancelled" : `failed: ${(error as Error).cause}`),
    );
  if (!cancelled) await condition(() => cancelled);
  scope.cancel();
  return await called;
}

/** Ends in the very workflow task that called the activity. */
export async function leaveBehind(one: Call): Promise<void> {
  void call(one).catch(() => {});
  await Promise.resolve();
}
