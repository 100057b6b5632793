// Temporal workflow (TypeScript)
import { proxyActivities } from "@temporalio/workflow";

const { runPlan, applyChange } = proxyActivities<{
  runPlan(input: unknown): Promise<{ step: string }>;
  applyChange(input: unknown): Promise<void>;
}>({ startToCloseTimeout: "2 minute" });

export async function DeployWorkflow(input: { service: string }) {
  const plan = await runPlan(input);
  await applyChange(plan);
  return { status: "completed" };
}
