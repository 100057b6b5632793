import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { endpointTimeoutMax, maxConcurrentMax } from "../../service/push/endpoint.ts";
import { askerOf } from "./asker.ts";
import { conditionCodes, seenIn } from "./bundle-view.ts";
import { endpointCodes, endpointEtag, endpointProblem, endpointView, savedEndpointSchema } from "./endpoint-view.ts";
import { headerOf } from "./header.ts";
import { badRequest } from "./problem.ts";
import { route } from "./route.ts";

const text = z.string("expected a text");
const whole = (max: number) => {
  const expected = `expected a whole number from 1 to ${max}`;
  return z.optional(z.int(expected).check(z.minimum(1, expected), z.maximum(max, expected)));
};

/** Creates or changes an endpoint: what is not said stays as it is. */
export const putEndpoint = route({
  method: "PUT",
  path: "/api/v1/endpoints/:id",
  summary: "Registers an endpoint that tasks are pushed to, or changes it: a secret that is made is told once",
  params: z.object({ id: z.string() }),
  body: z.strictObject({
    task_queues: z.optional(text),
    url: z.optional(text),
    headers: z.optional(z.record(z.string(), text, "expected an object of texts")),
    timeout_ms: whole(endpointTimeoutMax),
    max_concurrent: whole(maxConcurrentMax),
    enabled: z.optional(z.boolean("expected true or false")),
    secret: z.optional(text),
    rotate_secret: z.optional(z.boolean("expected true or false")),
  }),
  success: { json: savedEndpointSchema, etag: true },
  problems: {
    ...conditionCodes,
    ...endpointCodes(
      "no-such-namespace",
      "too-many-endpoints",
      "endpoint-of-configuration",
      "endpoint-not-https",
      "endpoint-changed",
      "busy",
    ),
    "invalid-endpoint": 400,
  },
  handle: async ({ headers, params: { id }, body }, { endpoints }) => {
    const { namespace, by } = askerOf(headers);
    const seen = seenIn(headerOf(headers, "if-match"), headerOf(headers, "if-none-match"));
    if (seen === null) return err(badRequest("bad-condition", "expected `If-Match` with one tag, or `If-None-Match: *`"));
    const { task_queues: taskQueues, url, headers: sent, timeout_ms: timeout, max_concurrent: maxConcurrent, enabled, secret } = body;
    const change = {
      ...(taskQueues === undefined ? {} : { taskQueues }),
      ...(url === undefined ? {} : { url }),
      ...(sent === undefined ? {} : { headers: sent }),
      ...(timeout === undefined ? {} : { timeout }),
      ...(maxConcurrent === undefined ? {} : { maxConcurrent }),
      ...(enabled === undefined ? {} : { enabled }),
      ...(secret === undefined ? {} : { secret }),
      rotateSecret: body.rotate_secret ?? false,
    };
    const saved = await endpoints.put(namespace, { id, change, by, seen });
    if (!saved.ok) return err(endpointProblem(saved.error));
    return ok({ json: { ...endpointView(saved.value), secret: saved.value.newSecret }, headers: { etag: endpointEtag(saved.value) } });
  },
});
