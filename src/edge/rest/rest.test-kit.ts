import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { make } from "../../protocol/codec.ts";
import { RegisterNamespaceRequest } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { type HeldActivity, holdActivity } from "../../service/approvals/approvals.test-kit.ts";
import { accepted, openCore, patient, type TestCore } from "../../service/service.test-kit.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { conform } from "./conform.test-kit.ts";
import type { RestOptions } from "./hooks.ts";
import { createRestApi } from "./rest.ts";

// What the tests of this folder share: the API on a free port over a core in memory, and a worker that makes activities wait for approval.

export type TestApi = {
  readonly core: TestCore;
  readonly url: string;
  /** Sends JSON, if anything, as `headers` say; `as` is short for a person's id. */
  ask(method: string, path: string, options?: Asked): Promise<Answered>;
  /** Starts a workflow that schedules one activity, and returns the id of the approval it waits for. */
  hold(held?: HeldActivity): Promise<string>;
  close(): Promise<void>;
};
export type Asked = { readonly as?: string; readonly headers?: Record<string, string>; readonly body?: unknown; readonly text?: string };
export type Answered = {
  readonly status: number;
  readonly type: string;
  readonly etag: string;
  readonly text: string;
  readonly json: Json;
};
/** Tests look into answers without checking each step. */
type Json = { readonly [key: string]: Json } & { readonly [index: number]: Json } & Iterable<Json>;

const unlimitedRest: RestOptions = { allowedHosts: [], requestsPerSecond: null, requestBurst: 1, concurrentRequests: null };

/** Over the namespaces `default` and `other`; with a policy that nobody published, or none. */
export async function openApi(
  policy?: string,
  options: Parameters<typeof openCore>[0] & { readonly rest?: Partial<RestOptions> } = {},
): Promise<TestApi> {
  const core = await openCore(options);
  const day = { seconds: 86_400, nanos: 0 };
  accepted(
    await core.services.registerNamespace(
      make(RegisterNamespaceRequest, { namespace: "other", workflowExecutionRetentionPeriod: day }),
      patient,
    ),
  );
  if (policy !== undefined) core.kernel.enforce(snapshotFrom(policy));
  const api = await createRestApi({
    services: core,
    options: { ...unlimitedRest, ...options.rest },
    metrics: createMetrics(),
    log: silentLog,
  });
  const server = createServer(api.handle).on("upgrade", api.upgrade);
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
      const type = response.headers.get("content-type") ?? "";
      const answer = type === "text/event-stream" ? await beginningOf(response) : await response.text();
      const json = /^application\/(problem\+)?json/.test(type) ? JSON.parse(answer) : {};
      conform({ method, path, status: response.status, type, body: json });
      return { status: response.status, type, etag: response.headers.get("etag") ?? "", text: answer, json };
    },
    hold: (held = {}) => holdActivity(core, { workflowId: `order-${++started}`, ...held }),
    close: async () => {
      await new Promise((closed) => server.close(closed).closeAllConnections());
      await core.stop();
      await core.store.close();
    },
  };
}

/** Of an answer that does not end. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return Buffer.from(first?.value ?? []).toString();
}
