import { err, ok } from "../../base/result.ts";
import { fromProtoTime, hourMs, toProtoTime } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { Namespace } from "../../protocol/generated/holdfast/state/v1/namespace.ts";
import { NamespaceState } from "../../protocol/generated/temporal/api/enums/v1/namespace.ts";
import {
  NamespaceConfig,
  NamespaceInfo,
  NamespaceInfo_Capabilities,
  NamespaceInfo_Limits,
} from "../../protocol/generated/temporal/api/namespace/v1/message.ts";
import { NamespaceReplicationConfig } from "../../protocol/generated/temporal/api/replication/v1/message.ts";
import {
  DescribeNamespaceResponse,
  UpdateNamespaceResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import { openSession } from "../access/session.ts";
import type { Engine } from "../engine.ts";
import type { NamespaceEntry } from "../namespaces.ts";
import { nameOf, type Services } from "../services.ts";
import { clusterName } from "./system-info.ts";

const retentionMin = hourMs;
const retentionProblem: Refusal = invalidArgument("A valid retention period is not set on request.");
const pageSizeMax = 1_000;

/** Makes a namespace; it can be used at once. Retention is an hour at least. */
export const registerNamespace =
  ({ namespaces }: Engine): Services["registerNamespace"] =>
  async (request, caller) => {
    const retention = fromProtoTime(request.workflowExecutionRetentionPeriod);
    if (retention < retentionMin) return err(retentionProblem);
    const { namespace: name, description, ownerEmail, data } = request;
    const body = make(Namespace, { description, ownerEmail, data, retention, state: NamespaceState.REGISTERED, searchAttributes: {} });
    const created = await namespaces.create({ name, body }, nameOf(caller));
    return created.ok ? ok({}) : created;
  };

/** By name or by id. */
export const describeNamespace =
  ({ namespaces, limits }: Engine): Services["describeNamespace"] =>
  async ({ namespace: name, id }) => {
    const byId = name === "" ? namespaces.byId(id) : undefined;
    if (byId !== undefined) return ok(describe(byId, limits));
    const found = namespaces.get(name === "" ? id : name);
    return found.ok ? ok(describe(found.value, limits)) : found;
  };

export const listNamespaces =
  ({ namespaces, limits }: Engine): Services["listNamespaces"] =>
  async (request, { session = openSession }) => {
    const after = Buffer.from(request.nextPageToken).toString("utf8");
    const size = request.pageSize > 0 ? Math.min(request.pageSize, pageSizeMax) : pageSizeMax;
    const all = namespaces
      .list()
      .filter(({ name }) => session.authority.sees(name))
      .filter(({ body, name }) => name > after && (request.namespaceFilter?.includeDeleted || body.state !== NamespaceState.DELETED));
    const page = all.slice(0, size);
    const next = all.length > size ? (page.at(-1)?.name ?? "") : "";
    return ok({ namespaces: page.map((entry) => describe(entry, limits)), nextPageToken: Buffer.from(next) });
  };

/** Changes what the request names and leaves the rest. */
export const updateNamespace =
  ({ namespaces, limits }: Engine): Services["updateNamespace"] =>
  async (request, caller) => {
    const { updateInfo, config } = request;
    const retention = config?.workflowExecutionRetentionTtl;
    if (retention !== undefined && fromProtoTime(retention) < retentionMin) return err(retentionProblem);
    const updated = await namespaces.update(
      request.namespace,
      "namespace-updated",
      (body) =>
        ok({
          ...body,
          description: updateInfo?.description || body.description,
          ownerEmail: updateInfo?.ownerEmail || body.ownerEmail,
          data: { ...body.data, ...updateInfo?.data },
          state: updateInfo?.state || body.state,
          retention: retention === undefined ? body.retention : fromProtoTime(retention),
        }),
      nameOf(caller),
    );
    if (!updated.ok) return updated;
    const { namespaceInfo, config: newConfig, replicationConfig } = describe(updated.value, limits);
    return ok(make(UpdateNamespaceResponse, { namespaceInfo, config: newConfig, replicationConfig }));
  };

/** Takes the namespace out of use at once, and deletes all that it holds. */
export const deleteNamespace =
  (engine: Engine): Services["deleteNamespace"] =>
  async (request, caller) => {
    const { namespaces, log } = engine;
    const found = request.namespace === "" ? namespaces.byId(request.namespaceId) : undefined;
    const name = found?.name ?? request.namespace;
    const deleted = await namespaces.retire(name, nameOf(caller));
    if (!deleted.ok) return deleted;
    deleteContents(engine, deleted.value.id).catch((error: unknown) =>
      log.error("cannot delete the contents of a namespace", { namespace: name }, error),
    );
    return ok({ deletedNamespace: deleted.value.name });
  };

async function deleteContents({ store, runs }: Engine, namespaceId: string): Promise<void> {
  const query = { filter: null, orderBy: [], groupBy: null };
  for (;;) {
    const { executions } = await store.listExecutions({ namespaceId, query, limit: pageSizeMax, after: null });
    if (executions.length === 0) return;
    const keys = executions.map(({ key }) => key);
    runs.forget(keys);
    await store.deleteRuns(keys);
  }
}

function describe({ id, name, body }: NamespaceEntry, limits: Engine["limits"]): DescribeNamespaceResponse {
  return make(DescribeNamespaceResponse, {
    namespaceInfo: make(NamespaceInfo, {
      id,
      name,
      state: body.state,
      description: body.description,
      ownerEmail: body.ownerEmail,
      data: body.data,
      // Each of these is a promise to SDKs.
      capabilities: make(NamespaceInfo_Capabilities, { eagerWorkflowStart: true, syncUpdate: true, asyncUpdate: true }),
      limits: make(NamespaceInfo_Limits, { blobSizeLimitError: limits.blobSizeError, memoSizeLimitError: limits.memoSizeError }),
    }),
    config: make(NamespaceConfig, { workflowExecutionRetentionTtl: toProtoTime(body.retention) }),
    replicationConfig: make(NamespaceReplicationConfig, { activeClusterName: clusterName, clusters: [{ clusterName }] }),
  });
}
