import type { Result } from "../../../base/result.ts";
import type { Call, Handler } from "./call.ts";
import { Code } from "./code.ts";
import { type Status, status } from "./status.ts";

/** Answers the one message of a call. Must not throw. */
export type Answer = (message: Uint8Array, call: Call) => Promise<Result<Uint8Array, Status>>;

export const unary =
  (answer: Answer): Handler =>
  (call) => {
    let request: Uint8Array | undefined;
    return {
      message(message) {
        if (request === undefined) request = message;
        else call.refuse(status(Code.UNIMPLEMENTED, "more than one message was sent to a unary method"));
      },
      end() {
        if (request === undefined) call.refuse(status(Code.INTERNAL, "no message was sent to a unary method"));
        else void respond(call, answer(request, call));
      },
    };
  };

async function respond(call: Call, answered: Promise<Result<Uint8Array, Status>>): Promise<void> {
  const answer = await answered;
  if (answer.ok) call.complete(answer.value);
  else call.refuse(answer.error);
}
