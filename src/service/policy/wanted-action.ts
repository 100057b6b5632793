import { splitAttempt } from "../../dag/action-id.ts";
import type { WantedAction } from "../../execution/admission.ts";
import type { Draft } from "../../execution/execution.ts";
import { type Action, type ActionKind, actionOf, type Principal } from "../../governance/action.ts";
import { inputOfPayloads } from "../../governance/action-input.ts";
import { actionHeader, readCallSite } from "../../governance/call-site.ts";
import type { Header } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { dagTaskQueue, jobTaskQueue } from "../built-in/server-task-queue.ts";

/** The action as the policy sees it. Whoever started the workflow acts through it, unless its code names a program that does. */
export function actionIn(wanted: WantedAction, draft: Draft): Action {
  const { key, context, started } = draft;
  const { actor, ...said } = saidIn(wanted.header);
  return actionOf({
    ...said,
    namespace: context.namespaceName,
    kind: kindOf(wanted, draft),
    name: wanted.name,
    // It acts in no role: roles are given by the server, never claimed.
    principal: actor && mayName(wanted, draft) ? { id: actor, kind: "service", roles: [] } : starterOf(draft),
    workflowType: started.workflowType?.name ?? "",
    workflowId: key.workflowId,
    runId: key.runId,
    ...attemptOf(wanted, draft),
    taskQueue: wanted.taskQueue,
    input: inputOfPayloads(wanted.input),
  });
}

/**
 * Whether what is said of who acts counts. A job and the definition of a declarative workflow are what somebody has sent: whoever had to prove who
 * they are does not act as somebody else by that. The code of a worker is trusted to say for which agent it calls.
 */
const mayName = ({ kind }: WantedAction, { started, starter }: Draft): boolean => {
  const queue = started.taskQueue?.name;
  return kind !== "workflow-start" && (starter === undefined || (queue !== dagTaskQueue && queue !== jobTaskQueue));
};

/** Attempts of a step are activities, or children, of their own. To the policy they are one action that is tried again. */
function attemptOf(wanted: WantedAction, draft: Draft): Pick<Action, "actionId" | "attempt"> {
  const { id, attempt } = wanted;
  const step = isOfStep(wanted, draft) ? splitAttempt(id) : null;
  return step === null ? { actionId: id, attempt } : { actionId: step.action, attempt: step.attempt + attempt - 1 };
}

/** Whether it is an attempt of a step of a declarative workflow. No other worker than the server's own asks for anything on their task queue. */
export const isOfStep = ({ kind }: WantedAction, { started }: Draft): boolean =>
  (kind === "activity" || kind === "child-workflow") && started.taskQueue?.name === dagTaskQueue;

/** What the code that asks for the action says of it; the policy's catalogue comes on top. */
export function saidIn(header: Header | undefined): Partial<Action> & { readonly actor?: string } {
  const field = header?.fields[actionHeader];
  if (field === undefined) return nothingSaid;
  const said = readCallSite(field);
  return said.ok ? said.value : { unreadable: said.error };
}

const nothingSaid = {};

/** An activity of an execution that the server decides itself is what that execution stands for. */
const kindOf = ({ kind }: WantedAction, { started }: Draft): ActionKind =>
  kind === "activity" && started.taskQueue?.name === jobTaskQueue ? "job" : kinds[kind];

const kinds = {
  activity: "activity",
  "child-workflow": "child-workflow",
  "external-signal": "external-signal",
  "external-cancel": "external-cancellation",
  "workflow-start": "workflow-start",
  "local-activity": "local-activity",
} as const;

/**
 * Whoever proved who they are as they started the workflow; where nobody has to, the identity that the client sent. It acts in no role: a role
 * is of the moment in which somebody asks.
 */
export const starterOf = ({ started, starter }: Pick<Draft, "started" | "starter">): Principal => ({
  id: starter?.name ?? started.identity,
  kind: "service",
  roles: [],
});
