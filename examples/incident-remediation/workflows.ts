import { denialOf, governed } from "@holdfast/sdk/workflow";
import { proxyActivities } from "@temporalio/workflow";
import type { IncidentActivities } from "./activities.ts";
import type { Incident, Plan, Remediation } from "./incident.ts";

const activities = proxyActivities<IncidentActivities>({
  startToCloseTimeout: "1 minute",
  retry: { maximumAttempts: 5, initialInterval: "1 second" },
});
const { detect, classify, planRemedy } = governed(activities, { topic: "job.incident.diagnose", capability: "incident.read" });

/** Finds out what is wrong, and does something about it: as far as the policy lets it. */
export async function incidentRemediation(incidentId: string): Promise<Remediation> {
  const incident = await detect(incidentId);
  const cause = await classify(incident);
  const plan = await planRemedy(incident, cause);
  return { incident, plan, done: await remedy(incident, plan) };
}

function remedy(incident: Incident, plan: Plan): Promise<string> {
  const labels = { env: incident.env, service: incident.service };
  switch (plan.remedy) {
    case "restart":
      return governed(activities, { topic: "job.incident.restart", capability: "service.restart", labels }).restart(incident);
    case "patch":
      return governed(activities, { topic: "job.incident.patch.apply", capability: "service.change", labels }).applyPatch(incident, plan);
    case "free-disk":
      return freeDisk(incident, plan.folder, labels);
  }
}

/** A denial may come with an alternative. */
async function freeDisk(incident: Incident, folder: string, labels: { readonly [name: string]: string }): Promise<string> {
  try {
    return await governed(activities, { topic: "job.incident.data.delete", labels }).deleteData(incident, folder);
  } catch (error) {
    const alternative = denialOf(error)?.remediations.find(({ replacementTopic }) => replacementTopic === "job.incident.data.archive");
    if (alternative === undefined) throw error;
    return governed(activities, { topic: "job.incident.data.archive", labels }).archiveData(incident, folder);
  }
}
