import { formatDuration } from "../../base/quantity.ts";
import { renewedAt } from "./budget.ts";
import { maxOf, type Quota } from "./limits.ts";
import type { Tally } from "./tally.ts";

/** Why there is no room under a limit, for people. */
export function reasonOf(quota: Quota, { breaker, budget }: Tally): string {
  const { by, source } = quota;
  switch (quota.kind) {
    case "rate":
      return `at most ${maxOf(quota)} per ${formatDuration(quota.limit.per)} for ${by} (${source})`;
    case "concurrency":
      return `at most ${quota.max} at once (${source})`;
    case "breaker":
      return breaker.state === "open"
        ? `the circuit breaker for ${by} is open until ${new Date(breaker.until).toISOString()} (${source})`
        : `the circuit breaker for ${by} is being tried (${source})`;
    case "spend": {
      const { unit, max, per } = quota.limit;
      const anew = renewedAt(budget, per);
      const window = per === null ? "" : ` per ${formatDuration(per)}`;
      return `the budget of ${max} ${unit}${window} for ${by} is used up${anew === null ? "" : ` until ${new Date(anew).toISOString()}`} (${source})`;
    }
  }
}
