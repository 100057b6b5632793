import { ok } from "../../base/result.ts";
import { make } from "../../protocol/codec.ts";
import { VersionInfo } from "../../protocol/generated/temporal/api/version/v1/message.ts";
import {
  GetClusterInfoResponse,
  GetSystemInfoResponse_Capabilities,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Engine } from "../engine.ts";
import type { Services } from "../services.ts";

/** The server version that clients compare to know which parts of the protocol to expect. */
const protocolVersion = "1.32.0";
export const clusterName = "holdfast";

/** What this server can do; every flag that is set is kept. */
export const getSystemInfo = (): Services["getSystemInfo"] => async () =>
  ok({
    serverVersion: protocolVersion,
    capabilities: make(GetSystemInfoResponse_Capabilities, {
      signalAndQueryHeader: true,
      internalErrorDifferentiation: true,
      activityFailureIncludeHeartbeat: true,
      encodedFailureAttributes: true,
      upsertMemo: true,
      eagerWorkflowStart: true,
      sdkMetadata: true,
      buildIdBasedVersioning: true,
      countGroupByExecutionStatus: true,
    }),
  });

export const getClusterInfo =
  ({ clusterId }: Pick<Engine, "clusterId">): Services["getClusterInfo"] =>
  async () =>
    ok(
      make(GetClusterInfoResponse, {
        serverVersion: protocolVersion,
        clusterId,
        clusterName,
        versionInfo: make(VersionInfo, {}),
        historyShardCount: 1,
        persistenceStore: "sqlite",
        visibilityStore: "sqlite",
        failoverVersionIncrement: 10,
        initialFailoverVersion: 1,
      }),
    );
