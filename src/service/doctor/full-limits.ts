import { tenantOf } from "../../governance/action.ts";
import { reasonOf } from "../../governance/limits/reason.ts";
import type { LimitInForce, Limits } from "../limits/limits.ts";
import type { Namespaces } from "../namespaces.ts";
import { type Checkup, counted, type Symptom } from "./symptom.ts";

const limitsMax = 1_000;

/** Limits of the policy under which something waits, and breakers that let nothing through. */
export function fullLimits({
  policyLimits,
  namespaces,
}: {
  readonly policyLimits: Pick<Limits, "list">;
  readonly namespaces: Pick<Namespaces, "list">;
}): Checkup {
  return async () =>
    namespaces
      .list()
      .flatMap(({ id, name }) =>
        policyLimits.list({ tenant: tenantOf(name), after: "", limit: limitsMax }).flatMap((limit) => symptomOf(limit, id) ?? []),
      );
}

function symptomOf({ quota, tally, waiting }: LimitInForce, namespaceId: string): Symptom | null {
  const about = {
    namespaceId,
    why: reasonOf(quota, tally),
    executed: "what is counted has been handed to workers; what waits has not begun",
    since: null,
    count: waiting,
    examples: [],
  };
  const waits = `${counted(waiting, "activity attempt")} ${waiting === 1 ? "waits" : "wait"}`;
  if (quota.kind === "breaker" && tally.breaker.state !== "closed")
    return {
      ...about,
      kind: "breaker-open",
      severity: "critical",
      what: `the circuit breaker for ${quota.by} is ${tally.breaker.state}; ${waits}`,
      safe: "find out why what it counts fails: it closes by itself when attempts succeed again, and what waits goes on",
    };
  if (waiting === 0) return null;
  return {
    ...about,
    kind: "limited",
    severity: "warning",
    what: `${waits} for room under a limit for ${quota.by}`,
    safe: "wait: they go on by themselves; or publish a policy with a higher limit, after which they are decided again at once",
  };
}
