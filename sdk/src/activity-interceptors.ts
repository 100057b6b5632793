import type { Context } from "@temporalio/activity";
import { ApplicationFailure, defaultPayloadConverter, type Headers } from "@temporalio/common";
import type { ActivityInterceptorsFactory } from "@temporalio/worker";
import { actionFields, actionHeader } from "./action.ts";
import { begin } from "./activity-state.ts";
import { type Decision, decisionHeader } from "./decision.ts";
import { denialFailure } from "./denial.ts";
import { type AskedAction, askKernel, type KernelDecision, type KernelOptions, KernelUnavailable } from "./kernel.ts";
import { markable } from "./usage-codec.ts";

/** Which activities are put to a kernel before they run: those that no server has decided. */
export type Asks = "local-activities" | "all-activities" | "none";

/** Failure types of attempts that may not run yet. They are retried, by the workflow's retry policy but not before the delay. */
export const approvalRequired = "PolicyApprovalRequired";
export const throttled = "PolicyThrottled";
export const unavailable = "PolicyUnavailable";
export const overdue = "PolicyTimeout";

const approvalAgainMs = 60_000;
const throttleAgainMs = 1_000;
const unavailableAgainMs = 5_000;

/**
 * Lets the code of activities see what was decided of them, and keeps what no server keeps: the decision of a kernel on activities that run
 * without a server's, and limits on the sizes of arguments and results (as JSON).
 */
export const activityInterceptors =
  (kernel: KernelOptions, asks: Asks): ActivityInterceptorsFactory =>
  (context) => ({
    inbound: {
      execute: async (input, next) => {
        const fields = actionFields(input.headers[actionHeader]) ?? {};
        const told = decisionIn(input.headers);
        const asked = isAsked(context, asks)
          ? await admitted(context, kernel, { ...actionOf(context), ...fields, input: input.args[0] })
          : null;
        if (isConstrained(told) && isConstrained(asked)) throw denial(asked ?? told, "two safety kernels constrain this activity");
        const decision = isConstrained(told) ? told : (asked ?? told);
        const state = begin(context, { fields, decision });
        try {
          const { maxInputBytes, maxOutputBytes, maxRuntimeMs } = decision?.constraints?.budgets ?? {};
          checkSize(decision, "arguments", input.args, maxInputBytes);
          // What a server has decided, it also times.
          const result = await within(asked === null ? undefined : maxRuntimeMs, () => next(input));
          checkSize(decision, "a result", result, maxOutputBytes);
          return result;
        } catch (error) {
          throw state.usage === null ? error : markable(error, state.usage);
        } finally {
          state.over = true;
        }
      },
    },
  });

const isAsked = ({ info }: Context, asks: Asks): boolean => asks === "all-activities" || (asks === "local-activities" && info.isLocal);

const isConstrained = (decision: Decision | null): boolean => Object.keys(decision?.constraints ?? {}).length > 0;

function decisionIn(headers: Headers): Decision | null {
  const header = headers[decisionHeader];
  return header === undefined ? null : defaultPayloadConverter.fromPayload<Decision>(header);
}

const actionOf = ({ info }: Context): Omit<AskedAction, "input"> => ({
  tenant: info.workflowNamespace ?? info.activityNamespace,
  kind: info.isLocal ? "local-activity" : "activity",
  name: info.activityType,
  ...(info.workflowType === undefined ? {} : { workflowType: info.workflowType }),
  ...(info.workflowExecution === undefined ? {} : { workflowId: info.workflowExecution.workflowId, runId: info.workflowExecution.runId }),
  actionId: info.activityId,
  taskQueue: info.taskQueue,
  attempt: info.attempt,
});

/** The kernel's decision if it lets the attempt run; thrown otherwise. Without a decision nothing runs. */
async function admitted({ info }: Context, kernel: KernelOptions, action: AskedAction): Promise<KernelDecision> {
  const decision = await askKernel(kernel, action).catch((error: unknown) => {
    throw error instanceof KernelUnavailable ? later(unavailable, error.message, unavailableAgainMs) : error;
  });
  const { effect, reason, constraints, delayMs } = decision;
  const attemptsMax = constraints.budgets?.maxAttempts ?? Number.POSITIVE_INFINITY;
  if (effect === "DENY") throw denial(decision, reason);
  if (effect === "THROTTLE") throw later(throttled, reason, delayMs ?? throttleAgainMs);
  if (effect === "REQUIRE_APPROVAL") {
    if (info.isLocal) throw denial(decision, `${reason}; a local activity cannot wait for an approval`);
    throw later(approvalRequired, reason, approvalAgainMs);
  }
  if (info.attempt > attemptsMax) throw denial(decision, `attempt ${info.attempt}, and at most ${attemptsMax} are permitted: ${reason}`);
  return decision;
}

const denial = (decision: Decision | KernelDecision | null, reason: string): ApplicationFailure =>
  denialFailure({
    rule: decision?.rule ?? null,
    reason,
    snapshot: decision?.snapshot ?? "",
    remediations: decision !== null && "remediations" in decision ? decision.remediations : [],
  });

const later = (type: string, message: string, nextRetryDelay: number): ApplicationFailure =>
  ApplicationFailure.create({ type, message, nextRetryDelay });

function checkSize(decision: Decision | null, what: string, value: unknown, max = Number.POSITIVE_INFINITY): void {
  if (max === Number.POSITIVE_INFINITY) return;
  const bytes = Buffer.byteLength(JSON.stringify(value) ?? "");
  if (bytes > max) throw denial(decision, `${what} of ${bytes} bytes, and at most ${max} are allowed`);
}

async function within<T>(maxMs: number | undefined, run: () => Promise<T>): Promise<T> {
  if (maxMs === undefined) return run();
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(ApplicationFailure.create({ type: overdue, message: `ran for longer than ${maxMs} ms` })), maxMs);
  });
  try {
    return await Promise.race([run(), over]);
  } finally {
    clearTimeout(timer);
  }
}
