import { mapping, type Place, report } from "../../language/reader.ts";
import { readTemplate } from "../expression/template.ts";
import type { ActionFields } from "../spec/fields.ts";
import { type ActivityKind, activityKind, builtIn, linkJob, refuseTarget } from "./activity.ts";

const readRequest = mapping({
  method: readTemplate,
  url: readTemplate,
  query: readTemplate,
  headers: readTemplate,
  body: readTemplate,
  expectStatus: readTemplate,
});

/** An HTTP request, sent by a built-in activity. With a topic, it is an established name of a job. */
export function linkHttp(fields: ActionFields, at: Place): ActivityKind | undefined {
  if (fields.topic !== undefined) return linkJob(fields, at);
  if (!refuseTarget(fields, "an HTTP request is sent by the server: an activity goes to a worker")) return undefined;
  if (fields.input === undefined) return report(at, "an HTTP step needs `input` with a `url`");
  const request = readRequest(fields.input.at);
  if (request === undefined) return undefined;
  if (request.url === undefined) return report(fields.input.at, "an HTTP step needs a `url` in its input");
  return activityKind(fields, "http", builtIn("holdfast.http"));
}
