import * as z from "zod/mini";
import { shownUrl } from "../../service/push/endpoint.ts";
import type { EndpointRefusal, KnownEndpoint } from "../../service/push/endpoints.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";
import { count, named, textOrNull, texts, timeOrNull, timeText } from "./schema.ts";

const endpointFields = {
  id: z.string(),
  task_queues: z.string(),
  url: z.string(),
  header_names: texts,
  timeout_ms: count,
  max_concurrent: count,
  enabled: z.boolean(),
  origin: z.enum(["api", "configuration"]),
  previous_secret_until: timeOrNull,
  updated_by: z.string(),
  updated_at: timeText,
};
export const endpointSchema = named("Endpoint", z.object(endpointFields));
/** With the secret that was made, which nobody is told again. */
export const savedEndpointSchema = named("SavedEndpoint", z.object({ ...endpointFields, secret: textOrNull }));

/** Without anything that may be a secret. */
export const endpointView = ({ endpoint, origin, previousUntil }: KnownEndpoint): z.infer<typeof endpointSchema> => ({
  id: endpoint.id,
  task_queues: endpoint.taskQueues,
  url: shownUrl(endpoint.url),
  header_names: Object.keys(endpoint.headers).sort(),
  timeout_ms: endpoint.timeout,
  max_concurrent: endpoint.maxConcurrent,
  enabled: endpoint.enabled,
  origin,
  previous_secret_until: previousUntil === null ? null : new Date(previousUntil).toISOString(),
  updated_by: endpoint.updatedBy,
  updated_at: new Date(endpoint.updatedAt).toISOString(),
});

export const endpointEtag = ({ tag }: KnownEndpoint): string => `"${tag}"`;

type Plain = Exclude<EndpointRefusal["kind"], "invalid-endpoint">;

const refusals: { readonly [R in Plain]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "no-such-endpoint": [404, "endpoint not found"],
  "too-many-endpoints": [409, "there are too many endpoints"],
  "endpoint-of-configuration": [409, "this endpoint is of the server's configuration: change it there"],
  "endpoint-not-https": [400, "expected an https URL: `push.allowPrivate` names the hosts that need none"],
  "endpoint-changed": [412, "the endpoint is not the one with this tag: look at it again"],
  busy: [503, "others are changing this at the same moment: try again"],
};

export function endpointProblem(refusal: EndpointRefusal): Problem {
  if (refusal.kind === "invalid-endpoint") return badRequest("invalid-endpoint", refusal.message);
  const [status, detail] = refusals[refusal.kind];
  return { status, code: refusal.kind, detail };
}

/** For a route to state. */
export const endpointCodes = (...kinds: readonly Plain[]): ProblemCodes =>
  Object.fromEntries(kinds.map((kind) => [kind, refusals[kind][0]]));
