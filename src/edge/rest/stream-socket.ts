import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { err, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Stream } from "../../service/stream.ts";
import { refusedByGuard } from "./guard.ts";
import { badRequest, type Problem, problemBody, problemType } from "./problem.ts";
import { type Subscription, watch, watchQuery } from "./watch.ts";

export type StreamSockets = { upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void };

/** Watchers have nothing to say. */
const receivedBytesMax = 1_024;
/** A connection that does not answer in this time is closed. */
const pingEvery: DurationMs = 30 * secondMs;

/** `GET /api/v1/stream` over a WebSocket: each event is one text frame of JSON. */
export function createStreamSockets(stream: Stream, allowedHosts: readonly string[]): StreamSockets {
  const server = new WebSocketServer({ noServer: true, maxPayload: receivedBytesMax });

  function subscribe({ headers, url = "/" }: IncomingMessage): Result<Subscription, Problem> {
    const refused = refusedByGuard(headers, allowedHosts);
    if (refused !== null) return err(refused);
    const [path, search = ""] = url.split("?", 2);
    if (path !== "/api/v1/stream") return err({ status: 404, code: "no-such-endpoint", detail: "there is no WebSocket here" });
    const query = watchQuery.safeParse(Object.fromEntries(new URLSearchParams(search)));
    if (!query.success) return err(badRequest("invalid-request", query.error.issues.map(({ message }) => message).join("; ")));
    return watch(headers, query.data, stream);
  }

  return {
    upgrade: (request, socket, head) => {
      const subscribed = subscribe(request);
      if (!subscribed.ok) return refuse(socket, subscribed.error);
      const { value } = subscribed;
      socket.once("close", () => value.stop());
      server.handleUpgrade(request, socket, head, (client) => void serve(client, value));
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
