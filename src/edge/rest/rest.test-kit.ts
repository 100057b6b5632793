import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { make } from "../../protocol/codec.ts";
import { Command, ScheduleActivityTaskCommandAttributes } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { CommandType } from "../../protocol/generated/temporal/api/enums/v1/command_type.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollWorkflowTaskQueueRequest,
  RegisterNamespaceRequest,
  RespondWorkflowTaskCompletedRequest,
  StartWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { accepted, openCore, patient, type TestCore } from "../../service/service.test-kit.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createRestApi } from "./rest.ts";

// What the tests of this folder share: the API on a free port over a core in memory, and a worker that makes activities wait for approval.

export type TestApi = {
  readonly core: TestCore;
  readonly url: string;
  /** Sends JSON, if anything, as `headers` say; `as` is short for a person's id. */
  ask(method: string, path: string, options?: Asked): Promise<Answered>;
  /** Starts a workflow that schedules one activity, and returns the id of the approval it waits for. */
  hold(options?: { activityType?: string; namespace?: string; identity?: string }): Promise<string>;
  close(): Promise<void>;
};
export type Asked = { readonly as?: string; readonly headers?: Record<string, string>; readonly body?: unknown; readonly text?: string };
export type Answered = { readonly status: number; readonly type: string; readonly text: string; readonly json: Json };
/** Tests look into answers without checking each step. */
type Json = { readonly [key: string]: Json } & { readonly [index: number]: Json } & Iterable<Json>;

/** Over the namespaces `default` and `other`. */
export async function openApi(policy: string): Promise<TestApi> {
  const core = await openCore();
  const day = { seconds: 86_400, nanos: 0 };
  accepted(
    await core.services.registerNamespace(
      make(RegisterNamespaceRequest, { namespace: "other", workflowExecutionRetentionPeriod: day }),
      patient,
    ),
  );
  core.kernel.enforce(snapshotFrom(policy));
  const api = await createRestApi({ services: core, log: silentLog });
  const server = createServer(api.handle);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let started = 0;
  return {
    core,
    url,
    ask: async (method, path, { as, headers, body, text } = {}) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(as === undefined ? {} : { "x-principal-id": as }),
          ...(body === undefined && text === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined && text === undefined ? {} : { body: text ?? JSON.stringify(body) }),
      });
      const answer = await response.text();
      const type = response.headers.get("content-type") ?? "";
      return { status: response.status, type, text: answer, json: /^application\/(problem\+)?json/.test(type) ? JSON.parse(answer) : {} };
    },
    hold: async ({ activityType = "Refund", namespace = "default", identity = "shop" } = {}) => {
      const taskQueue = make(TaskQueue, { name: "orders" });
      const workflowId = `order-${++started}`;
      const workflowType = { name: "Order" };
      const start = make(StartWorkflowExecutionRequest, {
        namespace,
        workflowId,
        workflowType,
        taskQueue,
        identity,
        requestId: workflowId,
      });
      const { runId } = accepted(await core.services.startWorkflowExecution(start, patient));
      const poll = make(PollWorkflowTaskQueueRequest, { namespace, taskQueue });
      const { response } = accepted(await core.services.pollWorkflowTaskQueue(poll, patient));
      const activity = make(ScheduleActivityTaskCommandAttributes, {
        activityId: "1",
        activityType: { name: activityType },
        taskQueue,
        startToCloseTimeout: { seconds: 60, nanos: 0 },
      });
      const schedule = make(Command, {
        commandType: CommandType.SCHEDULE_ACTIVITY_TASK,
        attributes: { $case: "scheduleActivityTaskCommandAttributes", value: activity },
      });
      const done = make(RespondWorkflowTaskCompletedRequest, { namespace, taskToken: response.taskToken, commands: [schedule] });
      accepted(await core.services.respondWorkflowTaskCompleted(done, patient));
      const listed = await core.approvals.list({ namespace, all: false, after: null, limit: 100 });
      const approval = listed.ok ? listed.value.approvals.find((one) => one.runId === runId) : undefined;
      if (approval === undefined) throw new Error(`${activityType} does not wait for approval`);
      return approval.id;
    },
    close: async () => {
      await new Promise((closed) => server.close(closed).closeAllConnections());
      await core.stop();
      await core.store.close();
    },
  };
}
