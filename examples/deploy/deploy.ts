/** Where the worker of this example polls. */
export const deployTaskQueue = "deploy";

/** One deploy of a service at a time: its workflow id is taken while one is open. */
export const workflowIdOf = (service: string): string => `deploy-${service}`;

/** What `runPlan` found out, and `applyChange` does. The policy reads `env`. */
export type Plan = {
  readonly step: string;
  readonly service: string;
  readonly env: "prod" | "staging";
  readonly version: string;
};
