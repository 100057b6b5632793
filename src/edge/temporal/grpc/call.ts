import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { ClientCertificate } from "../../../access/certificate.ts";
import { ok } from "../../../base/result.ts";
import type { DurationMs, EpochMs } from "../../../base/time.ts";
import { Code } from "./code.ts";
import { acceptedEncodings, decompressed } from "./decompress.ts";
import { FrameReader, framed } from "./frames.ts";
import { type Status, status, trailersOf } from "./status.ts";
import { parseTimeout } from "./timeout.ts";

/** What a handler sees of a call. */
export type Call = {
  /** A header, named in lower case; empty if it was not sent. */
  header(name: string): string;
  /** When the caller stops waiting, null for never. */
  readonly deadline: EpochMs | null;
  /** Who is at the other end of the connection. */
  readonly peer: Peer;
  /** Aborted when the call ends by anything but the handler, or the server drains. */
  readonly signal: AbortSignal;
  send(message: Uint8Array): void;
  /** Ends the call well, with a last message if one is given. Nothing happens if the call has ended before. */
  complete(message?: Uint8Array): void;
  /** Ends the call with a status other than OK. Nothing happens if the call has ended before. */
  refuse(why: Status): void;
  /** Ends the call as `refuse` does while its handler is at work, and aborts the signal. Nothing happens if the call has ended before. */
  cut(why: Status): void;
};

export type Peer = {
  /** What its certificate proves, null if there is none. */
  readonly certificate: ClientCertificate | null;
  /** IP address; empty when the connection is gone. */
  readonly address: string;
};

/** How an RPC is answered: what happens with a call's messages as they come. None of the functions may throw. */
export type Handler = (call: Call) => {
  message(message: Uint8Array): void;
  /** The caller has sent its last message. */
  end(): void;
};

/** What the calls of one server share. */
export type Calls = {
  readonly receiveBytesMax: number;
  readonly sendBytesMax: number;
  draining: boolean;
  /** Those signals that a handler has asked for, of calls that have not ended. */
  readonly listening: Set<AbortController>;
  /** Calls whose streams are open. */
  readonly open: Set<StreamCall>;
  /** For a caller to send a request. */
  readonly requestMsMax: DurationMs;
  /** For a caller to take its answer. */
  readonly answerMsMax: DurationMs;
  /** What may have come of requests that are not complete, from one address. */
  readonly receivingBytesMax: number;
  /** Told of every call that ends by one of these bounds. */
  readonly refused: (limit: "slow" | "memory") => void;
};

/** What has come from one address of requests that are not complete. */
export type Receiving = { bytes: number };

/** One gRPC call on one HTTP/2 stream. Source: github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. */
export class StreamCall implements Call {
  readonly deadline: EpochMs | null = null;
  readonly peer: Peer;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #calls: Calls;
  readonly #reader: FrameReader;
  #timer: NodeJS.Timeout | undefined;
  #abort: AbortController | undefined;
  #trailers: OutgoingHttpHeaders = okTrailers;
  #ended = false;
  readonly #receiving: Receiving;
  /** Its part of what is being received. */
  #received = 0;
  #phase: "receiving" | "answering" | "sending" = "receiving";
  #phaseBegan = performance.now();

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { peer, receiving }: { readonly peer: Peer; readonly receiving: Receiving },
    calls: Calls,
    handler: Handler,
  ) {
    this.peer = peer;
    this.#receiving = receiving;
    calls.open.add(this);
    this.#stream = stream;
    this.#headers = headers;
    this.#calls = calls;
    this.#reader = new FrameReader(calls.receiveBytesMax);
    const timeoutMs = parseTimeout(this.header("grpc-timeout"));
    if (timeoutMs !== null) {
      this.deadline = Date.now() + timeoutMs;
      this.#timer = setTimeout(() => this.cut(deadlineExceeded), Math.min(timeoutMs, timerMsMax));
    }
    const listener = handler(this);
    stream.on("data", (chunk: Buffer) => this.#receive(chunk, listener));
    stream.on("end", () => this.#receiveEnd(listener));
    stream.on("wantTrailers", () => {
      if (!stream.destroyed) stream.sendTrailers(this.#trailers);
    });
    stream.on("error", ignore);
    stream.on("close", () => this.#closed());
  }

  header(name: string): string {
    const value = this.#headers[name];
    return typeof value === "string" ? value : (value?.[0] ?? "");
  }

  get signal(): AbortSignal {
    this.#abort ??= this.#listen();
    return this.#abort.signal;
  }

  send(message: Uint8Array): void {
    if (this.#over() || !this.#sendable(message)) return;
    this.#respond();
    for (const part of framed(message)) this.#stream.write(part);
  }

  complete(message?: Uint8Array): void {
    if (this.#over() || (message !== undefined && !this.#sendable(message))) return;
    this.#end();
    this.#respond();
    if (message === undefined) {
      this.#stream.end();
      return;
    }
    const [head, body] = framed(message);
    if (body !== undefined) this.#stream.write(head);
    this.#stream.end(body ?? head);
  }

  refuse(why: Status): void {
    if (this.#over()) return;
    this.#end();
    if (this.#stream.headersSent) {
      this.#trailers = trailersOf(why);
      this.#stream.end();
      return;
    }
    this.#stream.respond({ ...responseHeaders, ...trailersOf(why) }, { endStream: true });
    // The caller need not send the rest of what is refused already.
    if (!this.#stream.readableEnded) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  cut(why: Status): void {
    if (this.#over()) return;
    this.refuse(why);
    this.#abort?.abort();
  }

  /** Ends the call if its caller is too slow, in sending or in taking. While its handler is at work, nobody is. */
  endIfSlow(now: number): void {
    const { requestMsMax, answerMsMax, refused } = this.#calls;
    const took = now - this.#phaseBegan;
    if (this.#phase === "receiving" && took > requestMsMax) {
      refused("slow");
      this.cut(status(Code.DEADLINE_EXCEEDED, `the request was not complete within ${requestMsMax} ms`));
    } else if (this.#phase === "sending" && took > answerMsMax) {
      refused("slow");
      this.#stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  /** Whether there is room for so much more of this request. */
  #hold(bytes: number): boolean {
    this.#received += bytes;
    this.#receiving.bytes += bytes;
    if (this.#receiving.bytes <= this.#calls.receivingBytesMax) return true;
    this.#calls.refused("memory");
    this.refuse(status(Code.RESOURCE_EXHAUSTED, "too much is being received from this address"));
    return false;
  }

  #enter(phase: "answering" | "sending"): void {
    this.#receiving.bytes -= this.#received;
    this.#received = 0;
    this.#phase = phase;
    this.#phaseBegan = performance.now();
  }

  #receive(chunk: Buffer, listener: Listener): void {
    if (this.#ended || !this.#hold(chunk.length)) return;
    const frames = this.#reader.push(chunk);
    if (!frames.ok) {
      this.refuse(frames.error);
      return;
    }
    for (const { compressed, bytes } of frames.value) {
      const message = compressed ? decompressed(bytes, this.header("grpc-encoding"), this.#calls.receiveBytesMax) : ok(bytes);
      if (!message.ok) this.refuse(message.error);
      else if (!compressed || this.#hold(message.value.length)) listener.message(alone(message.value));
      if (this.#ended) return;
    }
  }

  #receiveEnd(listener: Listener): void {
    if (this.#ended) return;
    this.#enter("answering");
    if (this.#reader.partial) this.refuse(status(Code.INTERNAL, "the request ends within a message"));
    else listener.end();
  }

  #listen(): AbortController {
    const abort = new AbortController();
    if (this.#ended || this.#calls.draining) abort.abort();
    else this.#calls.listening.add(abort);
    return abort;
  }

  #sendable(message: Uint8Array): boolean {
    const { sendBytesMax } = this.#calls;
    if (message.length <= sendBytesMax) return true;
    this.refuse(status(Code.RESOURCE_EXHAUSTED, `grpc: trying to send message larger than max (${message.length} vs. ${sendBytesMax})`));
    return false;
  }

  /** The caller may have gone without the stream having said so yet. */
  #over(): boolean {
    return this.#ended || this.#stream.destroyed || this.#stream.closed;
  }

  #respond(): void {
    if (!this.#stream.headersSent) this.#stream.respond(responseHeaders, { waitForTrailers: true });
  }

  #end(): void {
    this.#ended = true;
    this.#enter("sending");
    clearTimeout(this.#timer);
    if (this.#abort !== undefined) this.#calls.listening.delete(this.#abort);
  }

  #closed(): void {
    if (!this.#ended) {
      this.#end();
      this.#abort?.abort();
    }
    this.#calls.open.delete(this);
    // Node keeps a closed stream until the next full garbage collection, and with it whatever its listeners hold, which is all of this
    // call: without these lines a fifth of all garbage outlives the cheap collections.
    this.#stream.removeAllListeners();
    this.#stream.on("error", ignore);
  }
}

type Listener = ReturnType<Handler>;

const responseHeaders: OutgoingHttpHeaders = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": acceptedEncodings,
};
const deadlineExceeded = status(Code.DEADLINE_EXCEEDED, "context deadline exceeded");
const okTrailers: OutgoingHttpHeaders = { "grpc-status": Code.OK };
/** What a timer can wait for. */
const timerMsMax = 2 ** 31 - 1;
/** An error of a stream is followed by its close, which says all there is to know. */
const ignore = (): void => {};

/**
 * What is decoded from a message shares its memory, and some of it lives on in the cached state of a run: a small message is taken out of
 * the larger block that it was read into.
 */
const alone = (message: Uint8Array): Uint8Array =>
  message.buffer.byteLength > 2 * message.length
    ? new Uint8Array(message)
    : new Uint8Array(message.buffer, message.byteOffset, message.length);
