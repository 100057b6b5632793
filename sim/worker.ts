import { assert } from "../src/base/assert.ts";
import { toProtoTime } from "../src/base/time.ts";
import { encode, make } from "../src/protocol/codec.ts";
import { Any } from "../src/protocol/generated/google/protobuf/any.ts";
import { Command, ProtocolMessageCommandAttributes } from "../src/protocol/generated/temporal/api/command/v1/message.ts";
import { TaskQueueKind } from "../src/protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { ApplicationFailureInfo, Failure } from "../src/protocol/generated/temporal/api/failure/v1/message.ts";
import { History, type HistoryEvent } from "../src/protocol/generated/temporal/api/history/v1/message.ts";
import { Message } from "../src/protocol/generated/temporal/api/protocol/v1/message.ts";
import { TaskQueue } from "../src/protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { Acceptance, Outcome, Request, Response } from "../src/protocol/generated/temporal/api/update/v1/message.ts";
import {
  GetWorkflowExecutionHistoryRequest,
  PollActivityTaskQueueRequest,
  type PollActivityTaskQueueResponse,
  PollWorkflowTaskQueueRequest,
  type PollWorkflowTaskQueueResponse,
  RecordActivityTaskHeartbeatRequest,
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskFailedRequest,
  RespondWorkflowTaskCompletedRequest,
} from "../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Random } from "./random.ts";
import { ConnectionLost, type SimulatedServer } from "./server.ts";
import type { VirtualTime } from "./time.ts";
import type { Witness } from "./witness.ts";
import { activityTimeoutMs, decideCommands, fromPayloads, toPayloads } from "./workflow.ts";

export const taskQueue = "plans";

export type WorkerDangers = {
  /** Of each piece of work: that the worker dies over it, and another one begins with an empty cache. */
  readonly dies: number;
  /** Of each answer: that it is given twice. */
  readonly answersTwice: number;
  /** Of each result of an activity: that it comes after its attempt timed out. */
  readonly late: number;
  readonly delayMsMax: number;
};

/** Which attempt it is of, and an id that no other has. */
export type ActivityResult = { readonly attempt: number; readonly id: string };

/** What the server has promised to remember: it said so to a worker. */
export type Promises = {
  /** By workflow id and activity id: the result that the server took. */
  readonly activityResults: Map<string, string>;
};

type Deps = {
  readonly server: SimulatedServer;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly dangers: WorkerDangers;
  readonly promises: Promises;
  /** Null where no policy is in force. */
  readonly witness: Pick<Witness, "received"> | null;
  readonly name: string;
  /** Told of what must not happen. */
  readonly failed: (error: unknown) => void;
};

/** The worker died over what it did. */
class Died extends Error {
  override readonly name = "Died";
}

/** Runs a worker with sticky cache, and starts it again whenever it dies. Returns how to stop it after what it does now. */
export function startSimulatedWorker(deps: Deps): () => void {
  let stopped = false;
  let lives = 0;
  const live = () => {
    const life = { over: false };
    const identity = `${deps.name}-${++lives}`;
    const cache = new Map<string, HistoryEvent[]>();
    const sticky = `${identity}-sticky`;
    const die = () => {
      if (life.over) return;
      life.over = true;
      deps.time.at(deps.time.now() + deps.random.between(1, 500), live);
    };
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        if (error instanceof Died) die();
        else if (!(error instanceof ConnectionLost)) {
          life.over = true;
          deps.failed(error);
        }
      }
    };
    const loop = async (work: () => Promise<void>): Promise<void> => {
      while (!stopped && !life.over) await attempt(work);
    };
    const workAside = (work: () => Promise<void>): void => void attempt(work);
    const self: Self = { ...deps, identity, sticky, cache, workAside, isAlive: () => !life.over };
    void loop(() => pollWorkflowTask(self, { name: taskQueue, kind: TaskQueueKind.NORMAL }));
    void loop(() => pollWorkflowTask(self, { name: sticky, kind: TaskQueueKind.STICKY }));
    void loop(() => pollActivityTask(self));
    void loop(() => pollActivityTask(self));
  };
  live();
  return () => {
    stopped = true;
  };
}

type Self = Deps & {
  readonly identity: string;
  readonly sticky: string;
  readonly cache: Map<string, HistoryEvent[]>;
  readonly isAlive: () => boolean;
  /** Does something more while the polls go on. */
  readonly workAside: (work: () => Promise<void>) => void;
};

/** Work takes its time, and may be the death of the worker. */
async function takesTime({ time, random, dangers, isAlive }: Self): Promise<void> {
  await time.sleep(random.between(0, dangers.delayMsMax));
  if (!isAlive() || random.chance(dangers.dies)) throw new Died();
}

async function pollWorkflowTask(self: Self, queue: { name: string; kind: TaskQueueKind }): Promise<void> {
  const { server, identity } = self;
  const polled = await server.call(
    "pollWorkflowTaskQueue",
    make(PollWorkflowTaskQueueRequest, { namespace: "default", taskQueue: make(TaskQueue, { ...queue, normalName: taskQueue }), identity }),
  );
  if (!polled.ok) throw new Error(`a poll was refused: ${polled.error.kind}`);
  let { response, history } = polled.value;
  while (response.taskToken.length > 0) {
    const answered = await workOn(self, response, history);
    if (answered === null) return;
    ({ response, history } = answered);
  }
}

type WorkflowTask = { response: PollWorkflowTaskQueueResponse; history: Uint8Array | null };

/** Answers one workflow task; the next one, if it came with the server's answer. */
async function workOn(self: Self, task: PollWorkflowTaskQueueResponse, history: Uint8Array | null): Promise<WorkflowTask | null> {
  const { server, random, dangers, cache, identity, sticky } = self;
  const { workflowId = "", runId = "" } = task.workflowExecution ?? {};
  const events = await historyOf(self, task, history);
  assert(
    events.every(({ eventId }, index) => eventId === index + 1),
    `a worker gets a history without gaps, not ${events.map(({ eventId }) => eventId)}`,
  );
  await takesTime(self);
  const answers = task.messages.flatMap(answerUpdate);
  const places = answers.map(({ id }) => place(id));
  const wanted = decideCommands(workflowId, events);
  const usesSticky = random.chance(0.8);
  const request = make(RespondWorkflowTaskCompletedRequest, {
    taskToken: task.taskToken,
    identity,
    commands: [...places, ...wanted],
    messages: answers,
    returnNewWorkflowTask: random.chance(0.5),
    stickyAttributes: usesSticky
      ? {
          workerTaskQueue: make(TaskQueue, { name: sticky, kind: TaskQueueKind.STICKY, normalName: taskQueue }),
          scheduleToStartTimeout: toProtoTime(1_000),
        }
      : undefined,
  });
  cache.delete(runId);
  const again = random.chance(dangers.answersTwice) ? server.call("respondWorkflowTaskCompleted", request) : null;
  again?.catch(() => {});
  const done = await server.call("respondWorkflowTaskCompleted", request);
  // Refused: the task timed out, or news arrived that the closing command did not know of. It comes again.
  if (!done.ok) return null;
  if (usesSticky) cache.set(runId, events);
  for (const eager of done.value.response.activityTasks) self.workAside(() => act(self, eager));
  const next = done.value.response.workflowTask;
  return next === undefined ? null : { response: next, history: done.value.history };
}

/** The whole history that a task is about: what came with it, behind what the worker remembers or asks for. */
async function historyOf({ server, cache }: Self, task: PollWorkflowTaskQueueResponse, came: Uint8Array | null): Promise<HistoryEvent[]> {
  const events = History.decode(came ?? new Uint8Array(0)).events;
  const execution = task.workflowExecution;
  const known = cache.get(execution?.runId ?? "") ?? [];
  const first = events[0]?.eventId ?? 0;
  if (first === 1) return events;
  // What the last task left in the cache may be more than was completed.
  const before = known.filter(({ eventId }) => eventId < first);
  if (before.length === first - 1 && first > 0) return [...before, ...events];
  const fetched: HistoryEvent[] = [];
  let nextPageToken = new Uint8Array(0);
  do {
    const page = await server.call(
      "getWorkflowExecutionHistory",
      make(GetWorkflowExecutionHistoryRequest, { namespace: "default", execution, nextPageToken }),
    );
    if (!page.ok) throw new ConnectionLost("the run is gone");
    fetched.push(...History.decode(page.value.history ?? new Uint8Array(0)).events);
    nextPageToken = new Uint8Array(page.value.response.nextPageToken);
  } while (nextPageToken.length > 0);
  return fetched;
}

const typeUrl = (kind: string): string => `type.googleapis.com/temporal.api.update.v1.${kind}`;

/** Accepts an update and completes it at once with its own id. */
function answerUpdate(message: Message): Message[] {
  const updateId = message.protocolInstanceId;
  const request = Request.decode(message.body?.value ?? new Uint8Array(0));
  const answer = <T>(kind: string, codec: Parameters<typeof encode<T>>[0], body: T): Message =>
    make(Message, {
      id: `${message.id}/${kind}`,
      protocolInstanceId: updateId,
      body: make(Any, { typeUrl: typeUrl(kind), value: encode(codec, body) }),
    });
  const acceptance = make(Acceptance, { acceptedRequestMessageId: message.id, acceptedRequest: request });
  const outcome = make(Outcome, { value: { $case: "success", value: toPayloads(updateId) } });
  return [answer("Acceptance", Acceptance, acceptance), answer("Response", Response, make(Response, { meta: request.meta, outcome }))];
}

function place(messageId: string): Command {
  const value = make(ProtocolMessageCommandAttributes, { messageId });
  return make(Command, { attributes: { $case: "protocolMessageCommandAttributes", value } });
}

async function pollActivityTask(self: Self): Promise<void> {
  const polled = await self.server.call(
    "pollActivityTaskQueue",
    make(PollActivityTaskQueueRequest, { namespace: "default", taskQueue: make(TaskQueue, { name: taskQueue }), identity: self.identity }),
  );
  if (!polled.ok) throw new Error(`a poll was refused: ${polled.error.kind}`);
  if (polled.value.taskToken.length > 0) await act(self, polled.value);
}

/** Carries out one attempt of an activity: it fails as often as its input says, then succeeds with a result that no other attempt has. */
async function act(self: Self, task: PollActivityTaskQueueResponse): Promise<void> {
  const { server, random, dangers, identity, promises } = self;
  const { taskToken } = task;
  self.witness?.received(task);
  for (let beats = random.between(0, 2); beats > 0; beats--) {
    await takesTime(self);
    const beat = await server.call("recordActivityTaskHeartbeat", make(RecordActivityTaskHeartbeatRequest, { taskToken, identity }));
    if (!beat.ok) return;
  }
  await takesTime(self);
  if (task.attempt <= Number(fromPayloads(task.input))) {
    const failureInfo = { $case: "applicationFailureInfo", value: make(ApplicationFailureInfo) } as const;
    const failure = make(Failure, { message: "not yet", failureInfo });
    await server.call("respondActivityTaskFailed", make(RespondActivityTaskFailedRequest, { taskToken, identity, failure }));
    return;
  }
  // Too late for this attempt: the next one may be under way.
  if (random.chance(dangers.late)) await self.time.sleep(activityTimeoutMs + random.between(0, 500));
  const result: ActivityResult = { attempt: task.attempt, id: random.id() };
  const answer = make(RespondActivityTaskCompletedRequest, { taskToken, identity, result: toPayloads(result) });
  const name = `${task.workflowExecution?.runId} ${task.activityId}`;
  const answers = random.chance(dangers.answersTwice) ? 2 : 1;
  // The server may take one of them: once.
  let taken = 0;
  for (let times = 0; times < answers; times++) {
    const done = await server.call("respondActivityTaskCompleted", answer);
    if (!done.ok) continue;
    if (++taken > 1 || promises.activityResults.has(name)) throw new Error(`two results of activity ${name} were taken`);
    promises.activityResults.set(name, result.id);
  }
}
