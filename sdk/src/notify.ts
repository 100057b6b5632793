import { proxyActivities } from "@temporalio/workflow";

/** A message to a webhook: one of the server's named channels, or a URL. Slack shows it as it is. */
export type Notice = ({ readonly channel: string } | { readonly url: string }) &
  (
    | {
        /** At most 150 letters. */
        readonly title?: string;
        /** At most 3,000 letters. */
        readonly text: string;
        /** At most ten. */
        readonly fields?: { readonly [label: string]: string };
        readonly severity?: "info" | "warning" | "error" | "critical";
      }
    /** JSON of your own. */
    | { readonly body: unknown }
  );

/** Sends it, trying again for up to an hour. The receiver can tell repetitions by the header `Idempotency-Key`. Needs a Holdfast server. */
export const notify = (notice: Notice): Promise<void> => send["holdfast.notify"](notice).then(() => undefined);

const send = proxyActivities<{ "holdfast.notify"(notice: Notice): Promise<unknown> }>({
  taskQueue: "holdfast",
  startToCloseTimeout: "1 minute",
  scheduleToCloseTimeout: "1 hour",
});
