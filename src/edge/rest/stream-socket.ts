import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Access } from "../../service/access/access.ts";
import { type Concurrency, callerOf } from "../../service/access/concurrency.ts";
import type { Session } from "../../service/access/session.ts";
import type { Stream } from "../../service/stream.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { refusedByGuard, refusedByHeaders } from "./guard.ts";
import { type RestOptions, tooManyUnderWay } from "./hooks.ts";
import { claimTenant, identify, keyProtocol, overwriteClaims, refusedTo } from "./identify.ts";
import { badRequest, type Problem, problemBody, problemType } from "./problem.ts";
import { routeAccess } from "./route-access.ts";
import { tenantOf } from "./tenant.ts";
import { type Subscription, watch, watchQuery } from "./watch.ts";

export type StreamSockets = { upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> };

/** Watchers have nothing to say. */
const receivedBytesMax = 1_024;
/** A connection that does not answer in this time is closed. */
const pingEvery: DurationMs = 30 * secondMs;

const unavailable: Problem = { status: 503, code: "unavailable", detail: "who asks cannot be told right now" };

/** Policy violation. Source: RFC 6455, section 7.4.1. */
const credentialsEnded = 1008;

type Watching = { readonly subscription: Subscription; readonly session: Session; readonly leave: () => void };

/** `GET /api/v1/stream` over a WebSocket: each event is one text frame of JSON. */
export function createStreamSockets(
  {
    stream,
    access,
    concurrency,
    metrics,
  }: {
    readonly stream: Stream;
    readonly access: Pick<Access, "authenticate">;
    readonly concurrency: Concurrency;
    readonly metrics: Pick<Metrics, "refusedByLimit">;
  },
  { allowedHosts, concurrentRequests }: Pick<RestOptions, "allowedHosts" | "concurrentRequests">,
): StreamSockets {
  // One of those that were offered: a browser would not take another, though it has the key in it.
  const handleProtocols = (offered: ReadonlySet<string>): string | false =>
    offered.has(keyProtocol) ? keyProtocol : ([...offered][0] ?? false);
  const server = new WebSocketServer({ noServer: true, maxPayload: receivedBytesMax, handleProtocols });

  async function subscribe(request: IncomingMessage): Promise<Result<Watching, Problem>> {
    const { headers, rawHeaders, url = "/" } = request;
    const refused = refusedByHeaders(rawHeaders) ?? refusedByGuard(headers, allowedHosts);
    if (refused !== null) return err(refused);
    const [path, search = ""] = url.split("?", 2);
    if (path !== "/api/v1/stream") return err({ status: 404, code: "no-such-route", detail: "there is no WebSocket here" });
    const query = watchQuery.safeParse(Object.fromEntries(new URLSearchParams(search)));
    if (!query.success) return err(badRequest("invalid-request", query.error.issues.map(({ message }) => message).join("; ")));
    const proved = await identify(request, access);
    if (!proved.ok) return proved;
    claimTenant(headers, query.data);
    overwriteClaims(headers, proved.value);
    const forbidden = refusedTo(proved.value, routeAccess.streamEvents, tenantOf(headers));
    if (forbidden !== null) return err(forbidden);
    const leave = concurrency.enter(callerOf(proved.value, request.socket.remoteAddress ?? ""));
    if (leave === null) {
      metrics.refusedByLimit.add(1, "http", "concurrency");
      return err(tooManyUnderWay(concurrentRequests));
    }
    const watched = watch(headers, query.data, stream);
    if (watched.ok) return ok({ subscription: watched.value, session: proved.value, leave });
    leave();
    return watched;
  }

  return {
    upgrade: async (request, socket, head) => {
      socket.on("error", () => {});
      const subscribed = await subscribe(request).catch(() => err(unavailable));
      if (!subscribed.ok) return refuse(socket, subscribed.error);
      const { subscription, session, leave } = subscribed.value;
      const stop = (): void => {
        subscription.stop();
        leave();
      };
      socket.once("close", stop);
      if (socket.destroyed) return stop();
      server.handleUpgrade(request, socket, head, (client) => {
        // Who may not watch any more does not.
        const end = (): void => client.close(credentialsEnded, "the credentials hold no more");
        const stillMay = () => refusedTo(session, routeAccess.streamEvents, tenantOf(request.headers)) === null;
        client.once("close", session.onEnd(end));
        client.once(
          "close",
          session.onChange(() => void (stillMay() || end())),
        );
        void serve(client, subscription);
      });
    },
  };
}

async function serve(client: WebSocket, { frames, stop, cut }: Subscription): Promise<void> {
  let isAlive = true;
  client.on("pong", () => {
    isAlive = true;
  });
  const pinging = setInterval(() => {
    if (!isAlive) client.terminate();
    isAlive = false;
    client.ping();
  }, pingEvery).unref();
  cut.addEventListener("abort", () => client.terminate());
  client.once("close", () => {
    clearInterval(pinging);
    stop();
  });
  // A frame that is too large, or no frame at all: the connection closes by itself.
  client.on("error", () => {});
  // Each waits until the one before is written: a slow reader is behind in the subscription, which is bounded.
  for await (const { data } of frames) if (!(await sent(client, data))) break;
  client.close(1001);
}

const sent = (client: WebSocket, data: string): Promise<boolean> =>
  new Promise((resolve) => client.send(data, (error) => resolve(error === undefined || error === null)));

function refuse(socket: Duplex, problem: Problem): void {
  const body = JSON.stringify(problemBody(problem));
  const head = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${problemType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  socket.on("error", () => {});
  socket.end(head + body);
}
