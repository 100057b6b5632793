import { type DurationMs, minuteMs } from "../base/time.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Artifacts } from "./artifacts/artifacts.ts";
import type { Clock } from "./clock.ts";
import type { Idempotency } from "./idempotency.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Runs } from "./runs.ts";

const everyMs: DurationMs = minuteMs;
/** Runs deleted in one transaction; between two, requests get their turn. */
const batchMax = 200;

/** Deletes closed runs once their namespace's retention is over, and idempotency keys and artifacts once theirs is. Returns how to stop. */
export function startRetention(deps: {
  store: Pick<Store, "readClosedRuns" | "deleteRuns">;
  clock: Clock;
  namespaces: Namespaces;
  runs: Pick<Runs<never>, "forget">;
  idempotency: Pick<Idempotency, "deleteExpired">;
  artifacts: Pick<Artifacts, "deleteExpired">;
  log: Log;
}): () => void {
  const { clock, idempotency, artifacts, log } = deps;
  let stopped = false;
  let cancel = () => {};
  const later = () => {
    if (stopped) return;
    cancel = clock.schedule(clock.now() + everyMs, () => {
      deleteExpired(deps)
        .then((deleted) => {
          if (deleted > 0) log.info("closed runs deleted after their retention", { runs: deleted });
        })
        .then(() => idempotency.deleteExpired())
        .then(() => artifacts.deleteExpired())
        .catch((error: unknown) => log.error("cannot delete what its retention is over for, trying again", {}, error))
        .finally(later);
    });
  };
  later();
  return () => {
    stopped = true;
    cancel();
  };
}

/** One pass over all namespaces; returns how many runs were deleted. */
export async function deleteExpired({
  store,
  clock,
  namespaces,
  runs,
}: Omit<Parameters<typeof startRetention>[0], "idempotency" | "artifacts" | "log">): Promise<number> {
  let deleted = 0;
  for (const { id, body } of namespaces.list()) {
    for (;;) {
      const keys = await store.readClosedRuns(id, clock.now() - body.retention, batchMax);
      if (keys.length === 0) break;
      runs.forget(keys);
      await store.deleteRuns(keys);
      deleted += keys.length;
    }
  }
  return deleted;
}
