import { toProtoTime } from "../src/base/time.ts";
import { make } from "../src/protocol/codec.ts";
import { UpdateWorkflowExecutionLifecycleStage } from "../src/protocol/generated/temporal/api/enums/v1/update.ts";
import { HistoryEventFilterType } from "../src/protocol/generated/temporal/api/enums/v1/workflow.ts";
import { History, type HistoryEvent } from "../src/protocol/generated/temporal/api/history/v1/message.ts";
import { TaskQueue } from "../src/protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { Input, Meta, Request } from "../src/protocol/generated/temporal/api/update/v1/message.ts";
import {
  GetWorkflowExecutionHistoryRequest,
  SignalWorkflowExecutionRequest,
  StartWorkflowExecutionRequest,
  UpdateWorkflowExecutionRequest,
} from "../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Random } from "./random.ts";
import { ConnectionLost, type SimulatedServer } from "./server.ts";
import type { VirtualTime } from "./time.ts";
import { taskQueue } from "./worker.ts";
import { type Answer, fromPayloads, type Plan, taskTimeoutMs, toPayloads } from "./workflow.ts";

/** Who starts workflows. */
export const starter = "client";

type Deps = { readonly server: SimulatedServer; readonly time: VirtualTime; readonly random: Random };

/** Asks again with the same request until an answer arrives, as SDKs do. */
async function persist<T>({ time, random }: Deps, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      await time.sleep(random.between(1, 200));
    }
  }
}

/** How long to wait before something is started anew that a policy refused. */
const pauseMs = 3_000;

/**
 * Starts a workflow, sends it the signals that it waits for and some updates, and waits for its end; all of it again when a policy does not
 * let it begin. Returns what it answered and which updates were completed.
 */
export async function runWorkflow(deps: Deps, workflowId: string, plan: Plan): Promise<{ answer: Answer; updates: readonly string[] }> {
  const { time, random } = deps;
  await time.sleep(random.between(0, 500));
  for (;;) {
    const runId = await start(deps, workflowId, plan);
    const signals = Promise.all(
      Array.from({ length: plan.signals }, (_, index) => sendSignal(deps, workflowId, { signalName: `signal-${index}`, plan })),
    );
    const updates = Promise.all(
      Array.from({ length: random.between(0, 2) }, (_, index) => sendUpdate(deps, workflowId, `update-${index}`)),
    );
    await signals;
    const completed = (await updates).filter((updateId) => updateId !== null);
    const answer = await answerOf(deps, workflowId, { runId, plan });
    if (answer !== null) return { answer, updates: completed };
    await time.sleep(pauseMs);
  }
}

/** The id of the run that was started, or the empty one when nobody said. */
async function start(deps: Deps, workflowId: string, plan: Plan): Promise<string> {
  const { server, time, random } = deps;
  const request = make(StartWorkflowExecutionRequest, {
    namespace: "default",
    workflowId,
    workflowType: { name: "plan" },
    taskQueue: make(TaskQueue, { name: taskQueue }),
    input: toPayloads(plan),
    workflowTaskTimeout: toProtoTime(taskTimeoutMs),
    requestId: random.id(),
    identity: starter,
  });
  let tries = 0;
  for (;;) {
    const started = await persist(deps, () => {
      tries++;
      return server.call("startWorkflowExecution", request);
    });
    if (started.ok) return started.value.runId;
    // The first try, whose answer was lost, may have started it, and its chain may have gone on since.
    if (started.error.kind === "workflow-already-started" && tries > 1) return "";
    if (started.error.kind !== "permission-denied" || !plan.governed)
      throw new Error(`the start of ${workflowId} was refused: ${started.error.kind}`);
    await time.sleep(pauseMs);
  }
}

async function sendSignal(
  deps: Deps,
  workflowId: string,
  { signalName, plan }: { readonly signalName: string; readonly plan: Plan },
): Promise<void> {
  await deps.time.sleep(deps.random.between(0, 2_000));
  const request = make(SignalWorkflowExecutionRequest, {
    namespace: "default",
    workflowExecution: { workflowId, runId: "" },
    signalName,
    requestId: deps.random.id(),
  });
  let tries = 0;
  const sent = await persist(deps, () => {
    tries++;
    return deps.server.call("signalWorkflowExecution", request);
  });
  // The workflow may have ended with the signal that the first try brought it, whose answer was lost; or never have begun.
  if (!sent.ok && !((tries > 1 || plan.governed) && sent.error.kind === "not-found"))
    throw new Error(`signal ${signalName} of ${workflowId} was refused: ${sent.error.kind}`);
}

/** The update's id once it is completed; null when the workflow ended before. */
async function sendUpdate(deps: Deps, workflowId: string, updateId: string): Promise<string | null> {
  const { server, time, random } = deps;
  await time.sleep(random.between(0, 2_000));
  const request = make(UpdateWorkflowExecutionRequest, {
    namespace: "default",
    workflowExecution: { workflowId, runId: "" },
    waitPolicy: { lifecycleStage: UpdateWorkflowExecutionLifecycleStage.COMPLETED },
    request: make(Request, { meta: make(Meta, { updateId, identity: "client" }), input: make(Input, { name: "note" }) }),
  });
  for (;;) {
    const sent = await persist(deps, () => server.call("updateWorkflowExecution", request));
    if (!sent.ok && sent.error.kind === "not-found") return null;
    if (sent.ok && sent.value.outcome?.value?.$case === "success") return fromPayloads(sent.value.outcome.value.value) as string;
    if (sent.ok && sent.value.outcome?.value?.$case === "failure") return null;
    // Aborted as its run went on as another one, or still on its way.
    await time.sleep(random.between(10, 200));
  }
}

/** How a run ends that no policy let begin: refused, or canceled while it waited. */
const neverBegan: ReadonlySet<string> = new Set<NonNullable<HistoryEvent["attributes"]>["$case"]>([
  "workflowExecutionFailedEventAttributes",
  "workflowExecutionCanceledEventAttributes",
]);

/** The result of the last run of a chain; null when a policy refused its start. */
async function answerOf(deps: Deps, workflowId: string, first: { readonly runId: string; readonly plan: Plan }): Promise<Answer | null> {
  let { runId } = first;
  for (;;) {
    const request = make(GetWorkflowExecutionHistoryRequest, {
      namespace: "default",
      execution: { workflowId, runId },
      historyEventFilterType: HistoryEventFilterType.CLOSE_EVENT,
      waitNewEvent: true,
    });
    const followed = await persist(deps, () => deps.server.call("getWorkflowExecutionHistory", request));
    if (!followed.ok) throw new Error(`the history of ${workflowId} cannot be read: ${followed.error.kind}`);
    const last = History.decode(followed.value.history ?? new Uint8Array(0)).events.at(-1)?.attributes;
    if (last === undefined) continue;
    if (last.$case === "workflowExecutionContinuedAsNewEventAttributes") runId = last.value.newExecutionRunId;
    else if (last.$case === "workflowExecutionCompletedEventAttributes") return fromPayloads(last.value.result) as Answer;
    else if (first.plan.governed && neverBegan.has(last.$case)) return null;
    else throw new Error(`${workflowId} ended with ${last.$case}`);
  }
}
