import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

export type ReceivedPush = { readonly headers: IncomingHttpHeaders; readonly body: string; readonly response: ServerResponse };

/** An endpoint on this machine. What `answer` does with a request is up to the test. */
export async function openEndpoint(answer: (push: ReceivedPush) => void, tls?: { readonly key: string; readonly cert: string }) {
  const received: ReceivedPush[] = [];
  let heard = () => {};
  const listener: RequestListener = (request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const push = { headers: request.headers, body, response };
      received.push(push);
      heard();
      answer(push);
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}/tasks`,
    received,
    /** Resolves when so many requests have come. */
    async gets(count: number): Promise<ReceivedPush> {
      while (received.length < count)
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      const push = received[count - 1];
      if (push === undefined) throw new Error("no such request");
      return push;
    },
    close: () => new Promise((closed) => server.close(closed).closeAllConnections()),
  };
}

export const answerJson = (
  { response }: ReceivedPush,
  status: number,
  body: unknown,
  headers: { readonly [name: string]: string } = {},
): void => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
