import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkDiff, idempotencyKey } from "@holdfast/sdk/activity";
import { ApplicationFailure } from "@temporalio/common";
import type { Incident, Plan } from "./incident.ts";
import { incidents } from "./incidents.ts";

export type IncidentActivities = ReturnType<typeof createActivities>;

/** The steps of a remediation. The services are folders in `servicesDir`. Each step may run more than once, and changes nothing more then. */
export function createActivities(servicesDir: string) {
  const fileOf = ({ service }: Incident, file: string): string => join(servicesDir, service, file);

  return {
    async detect(incidentId: string): Promise<Incident> {
      const { id, service, env, symptom } = known(incidentId);
      return { id, service, env, symptom };
    },

    async classify({ id }: Incident): Promise<string> {
      return known(id).cause;
    },

    async planRemedy({ id }: Incident, _cause: string): Promise<Plan> {
      return known(id).plan;
    },

    async restart(incident: Incident): Promise<string> {
      const log = fileOf(incident, "restarts.log");
      mkdirSync(dirname(log), { recursive: true });
      const entry = `${idempotencyKey()}\n`;
      if (!existsSync(log) || !readFileSync(log, "utf8").includes(entry)) appendFileSync(log, entry);
      return `${incident.service} is restarted`;
    },

    /** Refuses, before anything is written, what the policy's limits on changes do not allow. */
    async applyPatch(incident: Incident, { file, from, to }: Extract<Plan, { remedy: "patch" }>): Promise<string> {
      checkDiff([`--- a/${file}`, `+++ b/${file}`, "@@ -1,1 +1,1 @@", `-${from}`, `+${to}`].join("\n"));
      const path = fileOf(incident, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(`${path}.next`, `${to}\n`);
      renameSync(`${path}.next`, path);
      return `${file} of ${incident.service} says: ${to}`;
    },

    async deleteData(incident: Incident, folder: string): Promise<string> {
      rmSync(fileOf(incident, folder), { recursive: true, force: true });
      return `${folder} of ${incident.service} is gone`;
    },

    async archiveData(incident: Incident, folder: string): Promise<string> {
      const [data, archived] = [fileOf(incident, folder), fileOf(incident, `${folder}.archived`)];
      if (!existsSync(archived)) {
        mkdirSync(data, { recursive: true });
        renameSync(data, archived);
      }
      return `${folder} of ${incident.service} is in the archive`;
    },
  };
}

function known(incidentId: string) {
  const incident = incidents.find(({ id }) => id === incidentId);
  if (!incident) throw ApplicationFailure.nonRetryable(`there is no incident ${incidentId}`, "UnknownIncident");
  return incident;
}
