import type { ServerUnaryCall } from "@grpc/grpc-js";
import type { EpochMs } from "../../base/time.ts";
import type { Caller } from "../../service/services.ts";
import type { Traffic } from "./traffic.ts";

/** The caller of one gRPC call. Most use cases ask for none of this, so all of it is made only when it is asked for. */
export class GrpcCaller implements Caller {
  readonly #call: ServerUnaryCall<unknown, unknown>;
  readonly #traffic: Traffic;
  #abort: AbortController | undefined;

  constructor(call: ServerUnaryCall<unknown, unknown>, traffic: Traffic) {
    this.#call = call;
    this.#traffic = traffic;
  }

  get clientName(): string {
    return this.#metadata("client-name");
  }

  get clientVersion(): string {
    return this.#metadata("client-version");
  }

  get deadline(): EpochMs | null {
    const deadline = this.#call.getDeadline().valueOf();
    return Number.isFinite(deadline) ? deadline : null;
  }

  get signal(): AbortSignal {
    this.#abort ??= this.#listen();
    return this.#abort.signal;
  }

  /** From now on the end of the call, which grpc-js reports after an answer too, aborts nothing. */
  answered(): void {
    if (this.#abort !== undefined) this.#traffic.listening.delete(this.#abort);
  }

  #listen(): AbortController {
    const abort = new AbortController();
    const { listening, draining } = this.#traffic;
    if (draining || this.#call.cancelled) {
      abort.abort();
      return abort;
    }
    listening.add(abort);
    this.#call.once("cancelled", () => {
      if (listening.delete(abort)) abort.abort();
    });
    return abort;
  }

  #metadata(key: string): string {
    const value = this.#call.metadata.get(key)[0];
    return typeof value === "string" ? value : "";
  }
}
