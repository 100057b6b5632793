import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  Client,
  type ClientOptions,
  Connection,
  type WorkflowHandleWithFirstExecutionRunId,
  type WorkflowStartOptions,
} from "@temporalio/client";
import type { DataConverter, Workflow } from "@temporalio/common";
import { temporal } from "@temporalio/proto";
import {
  bundleWorkflowCode,
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from "@temporalio/worker";
import { afterAll, beforeAll } from "vitest";
import type { RunningServer } from "../../src/cli/serve.ts";
import { Holdfast, type StartOptions } from "../../src/main.ts";

// What every test of the published SDK needs: a server of its own, a client, and a worker of the file's workflows.

// Failed attempts belong to these tests; the worker's account of them would drown the report.
Runtime.install({
  logger: new DefaultLogger("ERROR"),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: "ERROR", other: "ERROR" }) } },
});

export type SetupOptions = {
  /** Name of the file in `workflows/`, without its ending. */
  readonly workflows: string;
  readonly activities?: object;
  readonly server?: StartOptions;
  /** Starts a server of another make, instead of one from `server`. */
  readonly launch?: () => Promise<RunningServer>;
  readonly client?: Omit<ClientOptions, "connection">;
  /** Of the file's worker. `null` runs none. */
  readonly worker?: Partial<WorkerOptions> | null;
};

/** `workflowId` and `taskQueue` are made when they are left out. */
type StartFields<W extends Workflow> = Partial<WorkflowStartOptions<W>> & Pick<WorkflowStartOptions<W>, "args">;
type StartArguments<W extends Workflow> =
  [] extends Parameters<W> ? [options?: Partial<WorkflowStartOptions<W>>] : [options: StartFields<W>];

export type RunningWorker = {
  readonly worker: Worker;
  /** Finishes what is running, then resolves. */
  stop(): Promise<void>;
};

export type Setup = {
  readonly server: RunningServer;
  readonly client: Client;
  readonly connection: NativeConnection;
  /** Of the file's worker. */
  readonly taskQueue: string;
  /** Starts a workflow on the file's task queue, under an id of its own. */
  start<W extends Workflow>(workflow: W, ...options: StartArguments<W>): Promise<WorkflowHandleWithFirstExecutionRunId<W>>;
  /** Runs one more worker, of the same workflows unless `options` says otherwise. It is stopped with the file. */
  runWorker(options?: Partial<WorkerOptions>): Promise<RunningWorker>;
};

/** Starts all of it before the first test of the file, and stops it after the last. The answer is filled by then. */
export function setup(options: SetupOptions): Setup {
  const taskQueue = unique(options.workflows);
  const workers = new Set<RunningWorker>();
  let parts: { readonly server: RunningServer; readonly client: Client; readonly connection: NativeConnection };
  let bundle: { readonly code: string };

  const runWorker = async (workerOptions: Partial<WorkerOptions> = {}): Promise<RunningWorker> => {
    const worker = await Worker.create({
      connection: parts.connection,
      taskQueue,
      shutdownGraceTime: "100ms",
      ...(workerOptions.workflowsPath === undefined ? { workflowBundle: bundle } : {}),
      ...(options.activities === undefined ? {} : { activities: options.activities }),
      ...(options.client?.dataConverter === undefined ? {} : { dataConverter: options.client.dataConverter }),
      ...workerOptions,
    });
    const finished = worker.run();
    const running: RunningWorker = {
      worker,
      stop: async () => {
        if (!workers.delete(running)) return;
        worker.shutdown();
        await finished;
      },
    };
    workers.add(running);
    return running;
  };

  beforeAll(async () => {
    const launch =
      options.launch ?? (() => Holdfast.start({ db: ":memory:", port: 0, httpPort: null, log: { level: "error" }, ...options.server }));
    const server = await launch();
    const client = new Client({ ...options.client, connection: await Connection.connect({ address: server.address }) });
    parts = { server, client, connection: await NativeConnection.connect({ address: server.address }) };
    bundle = await bundleOf(options.workflows, options.client?.dataConverter);
    if (options.worker !== null) await runWorker(options.worker);
  });

  afterAll(async () => {
    await Promise.all([...workers].map((worker) => worker.stop()));
    await parts.connection.close();
    await parts.client.connection.close();
    await parts.server.stop();
  });

  return {
    get server() {
      return parts.server;
    },
    get client() {
      return parts.client;
    },
    get connection() {
      return parts.connection;
    },
    taskQueue,
    runWorker,
    start: (workflow, ...[startOptions]) =>
      // The overloads of `start` tell a workflow without arguments from one with; here both are the same call.
      parts.client.workflow.start<typeof workflow>(workflow, {
        taskQueue,
        workflowId: unique(workflow.name),
        ...startOptions,
      } as WorkflowStartOptions<typeof workflow>),
  };
}

/** Path of a file in `workflows/`, as `Worker.create` takes it. */
export const workflowsPath = (name: string): string => fileURLToPath(new URL(`./workflows/${name}.ts`, import.meta.url));

/** The code of a file in `workflows/`, as workers run it. Worth keeping: making it takes a second. */
export const bundleOf = (name: string, { payloadConverterPath, failureConverterPath }: DataConverter = {}) =>
  bundleWorkflowCode({
    workflowsPath: workflowsPath(name),
    logger: new DefaultLogger("ERROR"),
    ...(payloadConverterPath === undefined ? {} : { payloadConverterPath }),
    ...(failureConverterPath === undefined ? {} : { failureConverterPath }),
  });

/** A workflow id or task queue that nothing else uses. */
export const unique = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

type WithHistory = { fetchHistory(): Promise<temporal.api.history.v1.IHistory> };

/** The events of a run from `fromEventId` on, as a person would draw them: `"5 TimerStarted, 6 TimerFired"`. */
export async function eventsOf(handle: WithHistory, fromEventId = 1): Promise<string> {
  const { events } = await handle.fetchHistory();
  return (events ?? [])
    .filter((event) => Number(event.eventId) >= fromEventId)
    .map((event) => `${Number(event.eventId)} ${eventName(event)}`)
    .join(", ");
}

/** One event of a run, by its name: the first unless `last` asks for the latest. Waits until it is there. */
export const eventNamed = (
  handle: WithHistory,
  name: string,
  which: "first" | "last" = "first",
): Promise<temporal.api.history.v1.IHistoryEvent> =>
  until(async () => {
    const named = ((await handle.fetchHistory()).events ?? []).filter((event) => eventName(event) === name);
    return which === "first" ? named[0] : named.at(-1);
  });

/** Why a workflow task of the run failed last, as the protocol names it: `"BAD_START_TIMER_ATTRIBUTES"`. Waits until one has. */
export async function taskFailedCause(handle: WithHistory): Promise<string> {
  const { workflowTaskFailedEventAttributes: failed } = await eventNamed(handle, "WorkflowTaskFailed", "last");
  return (temporal.api.enums.v1.WorkflowTaskFailedCause[failed?.cause ?? 0] ?? "").replace("WORKFLOW_TASK_FAILED_CAUSE_", "");
}

export function eventName(event: temporal.api.history.v1.IHistoryEvent): string {
  const constant = temporal.api.enums.v1.EventType[event.eventType ?? 0] ?? "";
  return constant
    .replace("EVENT_TYPE_", "")
    .split("_")
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join("");
}

/** Asks until the answer is neither undefined, null nor false: for states that can only be looked up, not awaited. */
export async function until<T>(ask: () => Promise<T | undefined | null | false> | T | undefined | null | false): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) return answer;
    await delay(10);
  }
}

/** What a promise was rejected with. Throws when it was not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome) return outcome.error;
  throw new Error(`expected a rejection, got ${JSON.stringify(outcome.value)}`);
}

/** A failure and its causes as one line each, outermost first: `"ActivityFailure: Activity task failed"`. */
export function causesOf(error: unknown): readonly string[] {
  return error instanceof Error ? [`${error.name}: ${error.message}`, ...causesOf(error.cause)] : [];
}
