import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Subscription } from "./watch.ts";

/** So that proxies do not take a quiet stream for a dead one. */
const signOfLifeEvery: DurationMs = 15 * secondMs;

/** Sends events until the reader leaves, is cut off, or the server stops. Source: WHATWG HTML, server-sent events. */
export function sendEvents(reply: FastifyReply, subscription: Subscription): FastifyReply {
  const { raw } = reply;
  // Whole frames only, so that a sign of life never comes between two halves.
  const text = Readable.from(framesOf(subscription), { objectMode: false });
  const alive = setInterval(() => raw.headersSent && raw.write(":\n\n"), signOfLifeEvery).unref();
  // A reader that does not read would not be told of the end.
  subscription.cut.addEventListener("abort", () => raw.destroy());
  raw.once("close", () => {
    clearInterval(alive);
    subscription.stop();
  });
  // The connection goes with the stream, so that a server which stops need not wait for it.
  return reply.headers({ connection: "close", "x-accel-buffering": "no" }).send(text);
}

async function* framesOf({ frames }: Subscription): AsyncGenerator<string> {
  yield "retry: 1000\n\n";
  for await (const { id, type, data } of frames) yield `id: ${id}\nevent: ${type}\ndata: ${data}\n\n`;
}
