import { err, ok, type Result } from "../../base/result.ts";
import { type Codec, encode } from "../../protocol/codec.ts";
import { History } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import type { Caller, UseCase, WithHistory } from "../../service/services.ts";
import { withoutPayloads } from "./hidden-payloads.ts";

/** A caller whose call can be ended before it is answered. */
export type EdgeCaller = Caller & { cut?(why: Refusal): void };

/** Answers one encoded request with an encoded response. */
export type Serve = (request: Uint8Array, caller: EdgeCaller) => Promise<Result<Uint8Array, Refusal>>;

/** Whether a caller may ask this, and whether what it is answered has to be without payloads. */
export type Permits<Request> = (request: Request, caller: EdgeCaller) => Result<Permitted, Refusal> | Promise<Result<Permitted, Refusal>>;
export type Permitted = { readonly hidesPayloads: boolean };

export type RequestOf<U> = U extends UseCase<infer Request, infer _> ? Request : never;

/** One RPC, ready to be joined with the use case that answers it. */
export type Method<U> = {
  /** A poll waits for work: it is answered empty, and no new one is accepted, while the server drains. */
  readonly poll: boolean;
  readonly bind: (useCase: U, permits: Permits<RequestOf<U>>) => Serve;
};

type Definition<Request> = {
  readonly request: Codec<Request>;
  /** Refuses what is malformed whatever the server's state; the texts are those of Temporal's frontend, since clients show them. */
  readonly validate: (request: Request) => Refusal | null;
  readonly poll?: boolean;
};

/** An RPC whose answer is encoded from the response message alone. */
export function method<Request, Response>(
  definition: Definition<Request> & { readonly response: Codec<Response> },
): Method<UseCase<Request, Response>> {
  return build(definition, (response) => encode(definition.response, response), withoutPayloads);
}

/** An RPC whose answer takes its history as the bytes that are stored. `encodeAnswer` puts the history where the response has it. */
export function methodWithHistory<Request, Response>(
  definition: Definition<Request> & { readonly encodeAnswer: (response: Response, history: Uint8Array | null) => Uint8Array },
): Method<UseCase<Request, WithHistory<Response>>> {
  return build(definition, ({ response, history }) => definition.encodeAnswer(response, history), withoutAnyPayloads);
}

const withoutAnyPayloads = <Response>({ response, history }: WithHistory<Response>): WithHistory<Response> => ({
  response: withoutPayloads(response),
  history: history === null ? null : encode(History, withoutPayloads(History.decode(history))),
});

function build<Request, Answer>(
  { request: codec, validate, poll = false }: Definition<Request>,
  encodeAnswer: (answer: Answer) => Uint8Array,
  hide: (answer: Answer) => Answer,
): Method<UseCase<Request, Answer>> {
  return {
    poll,
    bind: (useCase, permits) => async (bytes, caller) => {
      const request = decoded(codec, bytes);
      if (!request.ok) return request;
      const permitted = permits(request.value, caller);
      const may = permitted instanceof Promise ? await permitted : permitted;
      if (!may.ok) return may;
      const refusal = validate(request.value);
      if (refusal !== null) return err(refusal);
      const answer = await useCase(request.value, caller);
      return answer.ok ? ok(encodeAnswer(may.value.hidesPayloads ? hide(answer.value) : answer.value)) : answer;
    },
  };
}

function decoded<Request>(codec: Codec<Request>, bytes: Uint8Array): Result<Request, Refusal> {
  try {
    return ok(codec.decode(bytes));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return err(invalidArgument(`request is not a valid protobuf message: ${why}`));
  }
}
