import type { DurationMs } from "../base/time.ts";
import type { Limits } from "../execution/limits.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "./clock.ts";
import type { InlineWorker } from "./dispatch.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import type { Matching } from "./matching.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Quotas } from "./quotas/quotas.ts";
import type { DirectQueries } from "./requests/direct-queries.ts";
import type { QueryRegistry } from "./requests/query-registry.ts";
import type { Runs } from "./runs.ts";
import type { Transfer } from "./transfer.ts";
import type { TaskTokens } from "./workers/task-token.ts";

/** How long a request may wait for news before it is answered without. */
export type LongPoll = { readonly poll: DurationMs; readonly history: DurationMs; readonly update: DurationMs };

/** What the use cases work with. */
export type Engine = {
  readonly store: Store;
  readonly tokens: TaskTokens;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits: Limits;
  readonly longPoll: LongPoll;
  readonly newId: () => string;
  readonly clusterId: string;
  readonly namespaces: Namespaces;
  readonly runs: Runs<InlineWorker>;
  readonly quotas: Pick<Quotas, "mayStart" | "mayStore" | "poll">;
  readonly transfer: Pick<Transfer, "settled">;
  readonly matching: Matching;
  /** Serializes what creates runs, per workflow id. */
  readonly startLock: KeyedLock;
  /** Queries that travel with workflow tasks. */
  readonly queries: QueryRegistry;
  /** Queries that are tasks of their own. */
  readonly directQueries: DirectQueries;
};
