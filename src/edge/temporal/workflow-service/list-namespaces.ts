import {
  ListNamespacesRequest,
  ListNamespacesResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";

export const listNamespaces = method({
  request: ListNamespacesRequest,
  response: ListNamespacesResponse,
  validate: () => null,
});
