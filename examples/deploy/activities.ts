import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { log } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import type { Plan } from "./deploy.ts";

/** Where each service runs, and which version is wanted there. */
const services: Readonly<Record<string, Pick<Plan, "env" | "version">>> = {
  checkout: { env: "prod", version: "1.9.0" },
  "checkout-staging": { env: "staging", version: "1.9.0" },
};

/** The steps of a deploy. The version that a service runs is a file in `fleetDir`. */
export function createActivities(fleetDir: string) {
  return {
    /** Only reads. */
    async runPlan({ service }: { readonly service: string }): Promise<Plan> {
      const wanted = Object.hasOwn(services, service) ? services[service] : undefined;
      if (!wanted) throw ApplicationFailure.nonRetryable(`there is no service ${service}`, "UnknownService");
      return { step: `${service}: ${runningVersion(fleetDir, service)} → ${wanted.version}`, service, ...wanted };
    },

    /** Says which version is to run rather than that a newer one is: repeated, it changes nothing more. */
    async applyChange({ step, service, version }: Plan): Promise<void> {
      mkdirSync(fleetDir, { recursive: true });
      const file = join(fleetDir, service);
      writeFileSync(`${file}.next`, version);
      renameSync(`${file}.next`, file);
      log.info("applied", { step });
    },
  };
}

/** What the service runs now, `none` before its first deploy. */
export function runningVersion(fleetDir: string, service: string): string {
  try {
    return readFileSync(join(fleetDir, service), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "none";
    throw error;
  }
}
