import { mapping, type Place, report } from "../../language/reader.ts";
import { mapOf, readTemplate, type Template, withDefaults } from "../expression/template.ts";
import type { ActionFields, StepFields } from "../spec/fields.ts";
import { type ActivityKind, activityKind, builtIn, refuseTarget } from "./activity.ts";

/** A notice that stands in the timeline of the run, where whoever follows the run sees it. */
export type NoticeKind = { readonly kind: "notice" };

const readMessage = mapping(
  {
    url: readTemplate,
    channel: readTemplate,
    text: readTemplate,
    title: readTemplate,
    fields: readTemplate,
    severity: readTemplate,
    body: readTemplate,
  },
  { message: "text", level: "severity" },
);

/** With a `channel` or a `url`, a message to a webhook, sent by a built-in activity; otherwise a notice. */
export function linkNotify(fields: ActionFields): ActivityKind | NoticeKind | undefined {
  if (!refuseTarget(fields, "a notification is sent by the server: a job or an activity goes to a worker")) return undefined;
  if (!hasReceiver(fields)) return { kind: "notice" };
  return fields.input === undefined || readMessage(fields.input.at) === undefined
    ? undefined
    : activityKind(fields, "notify", builtIn("holdfast.notify"));
}

function hasReceiver({ input }: ActionFields): boolean {
  const written = input?.value;
  const keys =
    written?.kind === "map"
      ? written.entries.map(([key]) => key)
      : written?.kind === "value" && typeof written.value === "object" && written.value !== null
        ? Object.keys(written.value)
        : [];
  return keys.includes("channel") || keys.includes("url");
}

/** A notification as a compensation has to reach somebody: the run is over by then. */
export function linkNotification(fields: ActionFields, at: Place): ActivityKind | undefined {
  const kind = linkNotify(fields);
  return kind?.kind === "notice" ? report(at, "a notification that compensates needs `channel` or `url`") : kind;
}

export const noticeInput = (id: string, { input, name }: StepFields): Template =>
  withDefaults(input?.value, { level: "INFO", component: "workflow-engine", message: name ?? id });

/** The words of the activity, whichever were written. Without a text of its own, the message is the name of the step. */
export function messageInput(name: string, { input }: ActionFields): Template {
  const message = input === undefined ? {} : (readMessage(input.at) ?? {});
  const entries = Object.entries(message).filter((entry): entry is [string, Template] => entry[1] !== undefined);
  const written = mapOf(entries);
  return entries.some(([key]) => key === "text" || key === "body") ? written : withDefaults(written, { text: name });
}
