import { type ActionFields, type ApprovalRequest, acting, approval, approvalRefusalOf, denialOf, governed } from "@holdfast/sdk/workflow";
import { executeChild, getExternalWorkflowHandle, proxyActivities, proxyLocalActivities } from "@temporalio/workflow";

export type Activities = {
  restart(service: string): Promise<string>;
  probe(wanted: Probe): Promise<string>;
  think(prompt: string): Promise<string>;
  peek(what: string): Promise<string>;
  sneak(where: string): Promise<void>;
  hold(what: string): Promise<string>;
  slow(what: string): Promise<void>;
};

/** What an activity is to try. */
export type Probe = { readonly kind: "url" | "write" | "tool" | "diff" | "key"; readonly value: string };

const remote = proxyActivities<Activities>({ startToCloseTimeout: "1 minute", retry: { maximumAttempts: 3, initialInterval: 10 } });
const local = proxyLocalActivities<Activities>({ startToCloseTimeout: "1 minute", retry: { maximumAttempts: 2, initialInterval: 10 } });

export type Call = {
  [Name in keyof Activities]: { readonly name: Name; readonly with: Parameters<Activities[Name]>[0] };
}[keyof Activities];

/** The answer of an activity, or how it was denied. */
export async function governedCall(call: Call, fields: ActionFields): Promise<unknown> {
  return orDenial(() => made(governed(remote, fields), call));
}

export async function plainCall(call: Call): Promise<unknown> {
  return orDenial(() => made(remote, call));
}

export async function localCall(call: Call, fields: ActionFields): Promise<unknown> {
  return orDenial(() => made(governed(local, fields), call));
}

// The type of `Call` says that name and argument belong together.
const made = (activities: Activities, call: Call): Promise<unknown> =>
  (activities[call.name] as (argument: Call["with"]) => Promise<unknown>)(call.with);

/** Fields of the outer call, of the inner one, and of the very call. */
export async function nestedCall(): Promise<unknown> {
  const outer = governed(remote, { labels: { env: "staging", team: "shop" }, riskTags: ["slow"] });
  const inner = governed(outer, { labels: { env: "prod" }, capability: "service.restart" });
  return acting({ riskTags: ["night"] }, () => inner.restart.executeWithOptions({ summary: "at night" }, ["checkout"]));
}

export async function child(): Promise<string> {
  return "child";
}

export async function governedChild(env = "prod"): Promise<unknown> {
  return orDenial(() => acting({ labels: { env } }, () => executeChild(child)));
}

export async function governedSignal(workflowId: string): Promise<unknown> {
  return orDenial(() => acting({ labels: { env: "prod" } }, () => getExternalWorkflowHandle(workflowId).signal("poke")));
}

export async function askPeople(request: ApprovalRequest): Promise<unknown> {
  try {
    return await approval(request);
  } catch (error) {
    const refusal = approvalRefusalOf(error);
    if (refusal === null) throw error;
    return refusal;
  }
}

async function orDenial(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    const denial = denialOf(error);
    if (denial === null) throw error;
    return { denial };
  }
}
