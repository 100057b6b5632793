import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { err } from "../../base/result.ts";
import type { Codec } from "../../protocol/codec.ts";
import { encode, make } from "../../protocol/codec.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import * as details from "../../protocol/generated/temporal/api/errordetails/v1/message.ts";
import { Failure, MultiOperationExecutionAborted } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { notFound, type Refusal } from "../../protocol/refusal.ts";
import { Code } from "./grpc/code.ts";
import { detailsBytesMax, trailersOf, trailerText, trailerTextBytesMax } from "./grpc/status.ts";
import { statusOf } from "./status.ts";
import { type Edge, openEdge, refused, workflowService } from "./temporal.test-kit.ts";

// google.rpc.Status has the same fields as the status of one operation.
const RpcStatus = details.MultiOperationExecutionFailure_OperationStatus;

const path = `/${workflowService}/GetSystemInfo`;
let answer: Refusal;
let edge: Edge;
beforeAll(async () => {
  edge = await openEdge({ getSystemInfo: async () => err(answer) });
});
afterAll(() => edge.stop());

const alreadyStarted = { startRequestId: "r", runId: "run", firstExecutionRunId: "first" };
const failure = make(Failure, { message: "boom" });
const message = "why";

type Row = readonly [refusal: Refusal, code: number, message: string, detail: string | null, fields: object];
const rows: { readonly [K in Refusal["kind"]]: Row } = {
  "invalid-argument": [{ kind: "invalid-argument", message }, Code.INVALID_ARGUMENT, message, null, {}],
  "namespace-not-found": [
    { kind: "namespace-not-found", namespace: "x" },
    Code.NOT_FOUND,
    "Namespace x is not found.",
    "NamespaceNotFoundFailure",
    { namespace: "x" },
  ],
  "namespace-already-exists": [
    { kind: "namespace-already-exists", message },
    Code.ALREADY_EXISTS,
    message,
    "NamespaceAlreadyExistsFailure",
    {},
  ],
  "namespace-invalid-state": [
    { kind: "namespace-invalid-state", message, namespace: "x" },
    Code.FAILED_PRECONDITION,
    message,
    "NamespaceInvalidStateFailure",
    { namespace: "x" },
  ],
  "not-found": [{ kind: "not-found", message }, Code.NOT_FOUND, message, "NotFoundFailure", {}],
  "already-exists": [{ kind: "already-exists", message }, Code.ALREADY_EXISTS, message, null, {}],
  "workflow-already-started": [
    { kind: "workflow-already-started", message, ...alreadyStarted },
    Code.ALREADY_EXISTS,
    message,
    "WorkflowExecutionAlreadyStartedFailure",
    alreadyStarted,
  ],
  "query-failed": [{ kind: "query-failed", message, failure }, Code.INVALID_ARGUMENT, message, "QueryFailedFailure", { failure }],
  "workflow-not-ready": [{ kind: "workflow-not-ready", message }, Code.FAILED_PRECONDITION, message, "WorkflowNotReadyFailure", {}],
  "failed-precondition": [{ kind: "failed-precondition", message }, Code.FAILED_PRECONDITION, message, null, {}],
  "resource-exhausted": [
    { kind: "resource-exhausted", message, cause: ResourceExhaustedCause.BUSY_WORKFLOW, scope: ResourceExhaustedScope.NAMESPACE },
    Code.RESOURCE_EXHAUSTED,
    message,
    "ResourceExhaustedFailure",
    { cause: ResourceExhaustedCause.BUSY_WORKFLOW, scope: ResourceExhaustedScope.NAMESPACE },
  ],
  "permission-denied": [
    { kind: "permission-denied", message, reason: "no" },
    Code.PERMISSION_DENIED,
    message,
    "PermissionDeniedFailure",
    { reason: "no" },
  ],
  unauthenticated: [{ kind: "unauthenticated", message }, Code.UNAUTHENTICATED, message, null, {}],
  aborted: [{ kind: "aborted", message }, Code.ABORTED, message, null, {}],
  unavailable: [{ kind: "unavailable", message }, Code.UNAVAILABLE, message, null, {}],
  unimplemented: [{ kind: "unimplemented", message }, Code.UNIMPLEMENTED, message, null, {}],
  "deadline-exceeded": [{ kind: "deadline-exceeded", message }, Code.DEADLINE_EXCEEDED, message, null, {}],
  cancelled: [{ kind: "cancelled", message }, Code.CANCELLED, message, null, {}],
  "multi-operation": [
    { kind: "multi-operation", message, statuses: [{ kind: "workflow-already-started", message: "in use", ...alreadyStarted }, null] },
    Code.ALREADY_EXISTS,
    message,
    "MultiOperationExecutionFailure",
    {
      statuses: [
        {
          code: Code.ALREADY_EXISTS,
          message: "in use",
          details: [
            {
              typeUrl: "type.googleapis.com/temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure",
              value: encode(details.WorkflowExecutionAlreadyStartedFailure, alreadyStarted),
            },
          ],
        },
        {
          code: Code.ABORTED,
          message: "Operation was aborted.",
          details: [
            {
              typeUrl: "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted",
              value: encode(MultiOperationExecutionAborted, {}),
            },
          ],
        },
      ],
    },
  ],
};

const codecs: { readonly [name: string]: unknown } = details;

test.each(Object.entries(rows))("a client reads %s", async (_kind, [refusal, code, text, detail, fields]) => {
  answer = refusal;
  const error = await refused(edge.call(path, new Uint8Array(0)));
  expect([error.code, error.details]).toEqual([code, text]);
  const trailer = error.metadata.get("grpc-status-details-bin")[0];
  if (detail === null) return expect(trailer).toBeUndefined();
  const status = RpcStatus.decode(new Uint8Array(trailer as Buffer));
  expect([status.code, status.message]).toEqual([code, text]);
  expect(status.details.map(({ typeUrl }) => typeUrl)).toEqual([`type.googleapis.com/temporal.api.errordetails.v1.${detail}`]);
  expect((codecs[detail] as Codec<object>).decode(status.details[0]?.value ?? new Uint8Array(0))).toMatchObject(fields);
});

test("an update-with-start whose update is refused has the code of the update", () => {
  const refusal: Refusal = { kind: "multi-operation", message, statuses: [null, notFound("gone")] };
  expect(statusOf(refusal).code).toBe(Code.NOT_FOUND);
});

test.each([
  ["details over what a trailer may carry are left out", { ...failure, stackTrace: "x".repeat(detailsBytesMax) }, undefined],
  ["details within it are sent", failure, expect.any(String)],
])("%s", (_rule, queryFailure, sent) => {
  const trailers = trailersOf(statusOf({ kind: "query-failed", message, failure: queryFailure }));
  expect(trailers["grpc-status-details-bin"]).toEqual(sent);
});

test.each([
  ["line breaks and letters beyond ASCII", "état\nwrong: 100 % 🙂", "état\nwrong: 100 % 🙂"],
  ["half of a surrogate pair", "cut \ud83d", "cut \ufffd"],
  ["the beginning of a message that no trailer could hold", "é".repeat(100_000), trailerText("é".repeat(100_000))],
])("%s reach the client", async (_rule, sent, received) => {
  answer = notFound(sent);
  expect((await refused(edge.call(path, new Uint8Array(0)))).details).toBe(received);
});

test("a message is cut to what a trailer may carry, percent-encoded", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 10_000 }), (long) => {
      const text = trailerText(long);
      expect(encodeURI(text).length).toBeLessThanOrEqual(trailerTextBytesMax);
      if (encodeURI(long).length <= trailerTextBytesMax) expect(text).toBe(long);
    }),
  );
});
