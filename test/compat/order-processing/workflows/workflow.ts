import { workflowInfo } from "@temporalio/workflow";

/** The name under which the tutorial reaches the workflow's clock and identity. */
export const workflow = { now: () => Date.now(), info: workflowInfo };
