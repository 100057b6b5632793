import { fieldOf } from "../json.ts";
import type { KeptStep } from "./event.ts";
import { isEnded } from "./state.ts";
import { released, settleBody, skipStep } from "./step.ts";
import { takeCase } from "./switch.ts";
import { putStep, specOf, stepOf, type Turn } from "./turn.ts";

/** Takes over the result of a step from another run. */
export function keep(turn: Turn, index: number, { status, output, startedAt, completedAt }: KeptStep): void {
  const { kind, activatedBy, activates } = specOf(turn, index);
  // The body of a loop ends with its loop.
  if (isEnded(stepOf(turn, index).status) || activatedBy?.as === "body") return;
  const error = status === "cancelled" ? { message: "dependencies_not_taken", type: null } : null;
  putStep(turn, index, { status, output, error, startedAt, completedAt });
  turn.state = { ...turn.state, unsettled: turn.state.unsettled - 1 };
  settleBody(turn, kind, stepOf(turn, index));
  if (kind.kind === "parallel") for (const branch of activates) skipStep(turn, branch, "parallel_decided");
  if (kind.kind === "switch" && status === "cancelled") for (const one of activates) skipStep(turn, one, "dependencies_not_taken");
  released(turn, index, status === "succeeded");
  if (kind.kind === "switch" && status === "succeeded") {
    const target = fieldOf(output, "target_step");
    takeCase(turn, kind, typeof target === "string" ? (turn.spec.indexOf.get(target) ?? null) : null);
  }
}
