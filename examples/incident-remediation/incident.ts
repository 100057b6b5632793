/** Where the worker of this example polls. */
export const incidentTaskQueue = "incidents";

/** One remediation of an incident at a time: its workflow id is taken while one is open. */
export const workflowIdOf = (incidentId: string): string => `incident-${incidentId}`;

export type Incident = {
  readonly id: string;
  readonly service: string;
  readonly env: "prod" | "staging";
  readonly symptom: string;
};

/** What is to be done about it. */
export type Plan =
  | { readonly remedy: "restart" }
  | { readonly remedy: "patch"; readonly file: string; readonly from: string; readonly to: string }
  | { readonly remedy: "free-disk"; readonly folder: string };

export type Remediation = { readonly incident: Incident; readonly plan: Plan; readonly done: string };
