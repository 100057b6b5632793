import { ok } from "../../base/result.ts";
import { route } from "./route.ts";
import { watch, watchCodes, watchQuery } from "./watch.ts";

/** What happens, as server-sent events. Asked with `Upgrade: websocket`, it is answered by `stream-socket.ts`. */
export const streamEvents = route({
  method: "GET",
  path: "/api/v1/stream",
  summary: "What happens to runs, approvals and policies, as server-sent events or over a WebSocket",
  query: watchQuery,
  success: { mediaType: "text/event-stream" },
  problems: watchCodes,
  handle: async ({ headers, query }, { stream }) => {
    const watching = watch(headers, query, stream);
    return watching.ok ? ok({ events: watching.value }) : watching;
  },
});
