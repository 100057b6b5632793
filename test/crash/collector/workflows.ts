import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineSignal,
  defineUpdate,
  executeChild,
  getExternalWorkflowHandle,
  proxyActivities,
  setHandler,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const { double, refund } = proxyActivities<typeof activities>({
  startToCloseTimeout: "2s",
  retry: { initialInterval: "50ms", backoffCoefficient: 1, maximumAttempts: 1000 },
});

/** What a collector has seen in all its runs. Nothing in it is made unique: what came twice stands in it twice. */
export type Collected = {
  /** The numbers that signals carried, in order of arrival. */
  readonly signals: readonly number[];
  /** The double of each, from an activity. */
  readonly doubled: readonly number[];
  /** What the child of each stage sent by signal. */
  readonly notes: readonly number[];
  /** What the child of each stage returned. */
  readonly children: readonly number[];
  /** How many signals had arrived when each stage was closed. */
  readonly closedAt: readonly number[];
};

export const nothingCollected: Collected = { signals: [], doubled: [], notes: [], children: [], closedAt: [] };

export const addSignal = defineSignal<[number]>("add");
export const noteSignal = defineSignal<[number]>("note");
/** Closes a stage and says how many signals had arrived. Asked again, it answers the same. */
export const closeStageUpdate = defineUpdate<number, [stage: number]>("closeStage");

/**
 * Collects numbers in stages, one run for each. Callers close a stage once all its signals are acknowledged, and go on when they are
 * answered: a request id is known only to the run that it came to, so that a signal repeated into the next run would count again.
 */
export async function collector(stages: number, before: Collected = nothingCollected): Promise<Collected> {
  const stage = before.closedAt.length;
  const signals = [...before.signals];
  const doubled = [...before.doubled];
  const notes = [...before.notes];
  const closedAt = [...before.closedAt];
  let closing = false;
  setHandler(addSignal, (number) => void signals.push(number));
  setHandler(noteSignal, (number) => void notes.push(number));
  setHandler(closeStageUpdate, async (wanted) => {
    closing ||= wanted === stage;
    await condition(() => closedAt.length > wanted);
    return closedAt[wanted] ?? Number.NaN;
  });

  const { workflowId } = workflowInfo();
  const [child] = await Promise.all([
    executeChild(noteTaker, { workflowId: `${workflowId}/${stage}`, workflowTaskTimeout: "1s", args: [workflowId, stage] }),
    sleep(100 + 100 * stage),
  ]);
  while (doubled.length < signals.length || !closing) {
    await condition(() => doubled.length < signals.length || closing);
    const next = signals[doubled.length];
    if (next !== undefined) doubled.push(await double(next));
  }
  closedAt.push(signals.length);
  await condition(allHandlersFinished);

  const collected: Collected = { signals, doubled, notes, children: [...before.children, child], closedAt };
  return closedAt.length === stages ? collected : await continueAsNew<typeof collector>(stages, collected);
}

/** Sends its number to its parent, and returns the double of it. */
export async function noteTaker(parentId: string, number: number): Promise<number> {
  await sleep(50);
  await getExternalWorkflowHandle(parentId).signal(noteSignal, number);
  return await double(number);
}

/** Refunds all orders at one time, and says of each what came of it: `refunded`, or the type of the failure. */
export const refunds = (effectsFile: string, orders: readonly string[]): Promise<[order: string, outcome: string][]> =>
  Promise.all(
    orders.map(async (order): Promise<[string, string]> => {
      try {
        await refund(effectsFile, order);
        return [order, "refunded"];
      } catch (error) {
        const cause = error instanceof ActivityFailure ? error.cause : error;
        return [order, cause instanceof ApplicationFailure ? (cause.type ?? "") : String(error)];
      }
    }),
  );
