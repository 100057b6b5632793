import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { Readable } from "node:stream";

/** PEM. Without `ca`, the authorities that Node knows vouch for servers. */
export type ClientTls = { readonly ca?: string; readonly cert?: string; readonly key?: string };

export type HttpRequest = {
  readonly method: string;
  readonly headers: { readonly [name: string]: string };
  readonly body?: string;
  readonly tls: ClientTls;
};

/**
 * As `fetch`, which cannot be told of certificates, and without following redirections: a key is for this server only. Rejects when the server
 * cannot be reached or trusted.
 */
export function send(url: URL, { method, headers, body, tls }: HttpRequest): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sent = url.protocol === "https:" ? requestSecure(url, { method, headers, ...tls }) : requestPlain(url, { method, headers });
    sent.on("error", reject);
    sent.on("response", (received) => {
      const { statusCode: status = 500 } = received;
      const answered = new Headers();
      for (const [name, value] of Object.entries(received.headers)) answered.set(name, String(value));
      const isEmpty = status === 204 || status === 304;
      if (isEmpty) received.resume();
      resolve(new Response(isEmpty ? null : (Readable.toWeb(received) as ReadableStream<Uint8Array>), { status, headers: answered }));
    });
    sent.end(body);
  });
}
