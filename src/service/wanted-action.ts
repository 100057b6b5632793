import type { WantedAction } from "../execution/admission.ts";
import type { Draft } from "../execution/execution.ts";
import { type Action, actionOf, type Principal } from "../governance/action.ts";
import { inputOfPayloads } from "../governance/action-input.ts";

/** The action as the policy sees it. Whoever started the workflow acts through it. */
export function actionIn(wanted: WantedAction, draft: Draft): Action {
  const { key, context, started } = draft;
  return actionOf({
    namespace: context.namespaceName,
    kind: kinds[wanted.kind],
    name: wanted.name,
    principal: starterOf(draft),
    workflowType: started.workflowType?.name ?? "",
    workflowId: key.workflowId,
    runId: key.runId,
    actionId: wanted.id,
    taskQueue: wanted.taskQueue,
    attempt: wanted.attempt,
    input: inputOfPayloads(wanted.input),
  });
}

const kinds = {
  activity: "activity",
  "child-workflow": "child-workflow",
  "external-signal": "external-signal",
  "external-cancel": "external-cancellation",
} as const;

/** Until callers prove who they are, the identity that the client sent with the start. */
export const starterOf = ({ started }: Pick<Draft, "started">): Principal => ({ id: started.identity, kind: "service", roles: [] });
