import type { EpochMs } from "../../base/time.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { Session } from "../../service/access/session.ts";
import type { Call } from "./grpc/call.ts";
import type { EdgeCaller } from "./method.ts";
import { statusOf } from "./status.ts";

/** The caller of one gRPC call. Most use cases ask for none of this, so all of it is looked up only when it is asked for. */
export class GrpcCaller implements EdgeCaller {
  readonly #call: Call;
  readonly session: Session;

  constructor(call: Call, session: Session) {
    this.#call = call;
    this.session = session;
  }

  cut(why: Refusal): void {
    this.#call.cut(statusOf(why));
  }

  get namespace(): string {
    return this.#call.header("temporal-namespace");
  }

  get clientName(): string {
    return this.#call.header("client-name");
  }

  get clientVersion(): string {
    return this.#call.header("client-version");
  }

  get deadline(): EpochMs | null {
    return this.#call.deadline;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }
}
