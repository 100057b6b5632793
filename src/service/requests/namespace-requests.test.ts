import { expect, test } from "vitest";
import { dayMs, toProtoTime } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { NamespaceConfig } from "../../protocol/generated/temporal/api/namespace/v1/message.ts";
import {
  AddSearchAttributesRequest,
  DeleteNamespaceRequest,
  RemoveSearchAttributesRequest,
} from "../../protocol/generated/temporal/api/operatorservice/v1/request_response.ts";
import {
  RegisterNamespaceRequest,
  UpdateNamespaceRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { serverNamespaceId } from "../ledger/audit.ts";
import { accepted, openCore, patient } from "../service.test-kit.ts";

const namespace = "payments";
const register = make(RegisterNamespaceRequest, { namespace, workflowExecutionRetentionPeriod: toProtoTime(dayMs) });
const twoDays = make(NamespaceConfig, { workflowExecutionRetentionTtl: toProtoTime(2 * dayMs) });
const update = make(UpdateNamespaceRequest, { namespace, config: twoDays });
const add = make(AddSearchAttributesRequest, { namespace, searchAttributes: { Region: IndexedValueType.KEYWORD } });
const remove = make(RemoveSearchAttributesRequest, { namespace, searchAttributes: ["Region"] });
const retire = make(DeleteNamespaceRequest, { namespace });

test("each administrative request is in the ledger of the server, once", async () => {
  const { services, audit, stop } = await openCore();
  accepted(await services.registerNamespace(register, patient));
  expect((await services.registerNamespace(register, patient)).ok).toBe(false);
  accepted(await services.updateNamespace(update, patient));
  accepted(await services.addSearchAttributes(add, patient));
  accepted(await services.removeSearchAttributes(remove, patient));
  expect((await services.removeSearchAttributes(remove, patient)).ok).toBe(false);
  accepted(await services.deleteNamespace(retire, patient));
  const all = { since: null, until: null, kinds: ["administration"], runId: null, after: null, limit: 100 } as const;
  const listed = await audit.list({ ...all, namespace: serverNamespaceId });
  if (!listed.ok) throw new Error(listed.error);
  expect(listed.value.entries.map(({ body }) => JSON.parse(Buffer.from(body).toString()))).toMatchObject([
    { act: "namespace-registered", cause: "configuration", namespace: "default" },
    { act: "namespace-registered", cause: "api", namespace, retention_ms: dayMs },
    { act: "namespace-updated", namespace, retention_ms: 2 * dayMs },
    { act: "search-attributes-added", namespace, added: { Region: "Keyword" } },
    { act: "search-attributes-removed", namespace, removed: ["Region"] },
    { act: "namespace-deleted", namespace, state: "DELETED" },
  ]);
  await stop();
});
