import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { text } from "node:stream/consumers";

/** As the `tls` option of Temporal's connections: PEM, as text or bytes. */
export type TlsOptions = {
  /** The authority that vouches for the server; without it, those that Node.js knows. */
  readonly serverRootCACertificate?: string | Uint8Array;
  /** One's own certificate, for a server that asks for one. */
  readonly clientCertPair?: { readonly crt: string | Uint8Array; readonly key: string | Uint8Array };
};

type Post = {
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
  readonly tls: TlsOptions | undefined;
  readonly signal: AbortSignal;
};
export type Posted = { readonly status: number; readonly text: string };

/** Node's fetch cannot be told of certificates. Redirections are not followed: an answer from elsewhere is not the one that was asked for. */
export async function post(url: URL, asked: Post): Promise<Posted> {
  try {
    return await attempt(url, asked);
  } catch (error) {
    // The server had closed a connection that was kept open, and has not seen the question.
    if (error instanceof StaleConnection) return attempt(url, asked);
    throw error;
  }
}

function attempt(url: URL, { headers, body, tls, signal }: Post): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const plain = { method: "POST", headers, signal };
    const secure = {
      ...plain,
      ...(tls?.serverRootCACertificate === undefined ? {} : { ca: pem(tls.serverRootCACertificate) }),
      ...(tls?.clientCertPair === undefined ? {} : { cert: pem(tls.clientCertPair.crt), key: pem(tls.clientCertPair.key) }),
    };
    const sent = url.protocol === "https:" ? requestSecure(url, secure) : requestPlain(url, plain);
    sent.on("error", (error) => {
      const isStale = sent.reusedSocket && "code" in error && error.code === "ECONNRESET";
      reject(signal.aborted ? signal.reason : isStale ? new StaleConnection() : error);
    });
    sent.on("response", (received) => text(received).then((body) => resolve({ status: received.statusCode ?? 0, text: body }), reject));
    sent.end(body);
  });
}

class StaleConnection extends Error {
  override readonly name = "StaleConnection";
}

const pem = (given: string | Uint8Array): string => (typeof given === "string" ? given : Buffer.from(given).toString());
