import { type DurationMs, minuteMs } from "../../base/time.ts";
import { decodeRun } from "../../execution/stored-run.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";

/**
 * How large the histories of namespaces are. Every run is looked at now and then, a few at a time, and what is written in between is added; so the
 * figure is exact but for what was deleted, or written and looked at as well, since the last look at everything began. Until the first one
 * after a start is through, it is too small.
 */
export type StoredBytes = {
  /** Bytes. */
  of(namespaceId: string): number;
  /** So much was written. */
  grown(namespaceId: string, bytes: number): void;
  start(): void;
  stop(): void;
};

/** Runs that are looked at in one go: a few milliseconds. */
const runsAtOnce = 50;
const pauseBetween: DurationMs = 100;
const passEvery: DurationMs = 10 * minuteMs;

type Size = {
  /** As the last look at everything had it. */
  total: number;
  /** As far as this one has come. */
  found: number;
  /** Written since this one began. */
  grown: number;
};

export function createStoredBytes({
  store,
  log,
  isMeasured,
}: {
  readonly store: Pick<Store, "readRuns" | "loadRun">;
  readonly log: Log;
  readonly isMeasured: (namespaceId: string) => boolean;
}): StoredBytes {
  const sizes = new Map<string, Size>();
  let timer: NodeJS.Timeout | undefined;
  let isFirst = true;
  let stopped = false;

  function sizeOf(namespaceId: string): Size {
    let size = sizes.get(namespaceId);
    if (size === undefined) {
      size = { total: 0, found: 0, grown: 0 };
      sizes.set(namespaceId, size);
    }
    return size;
  }

  /** Looks at some runs after this one; resolves with the last of them, null when there are no more. */
  async function look(after: string): Promise<string | null> {
    const keys = await store.readRuns(after, runsAtOnce);
    for (const key of keys) {
      if (!isMeasured(key.namespaceId)) continue;
      const run = await store.loadRun(key);
      if (run !== null) sizeOf(key.namespaceId).found += decodeRun(key, run).core.historyBytes;
    }
    return keys.length < runsAtOnce ? null : (keys.at(-1)?.runId ?? null);
  }

  async function goOn(after: string): Promise<void> {
    const last = await look(after).catch((error: unknown) => {
      log.warn("cannot measure what namespaces store, trying again", {}, error);
      return after;
    });
    if (stopped) return;
    if (last === null) ended();
    timer = setTimeout(() => void goOn(last ?? ""), last === null ? passEvery : pauseBetween).unref();
  }

  function ended(): void {
    isFirst = false;
    for (const size of sizes.values()) {
      size.total = size.found;
      size.found = 0;
      size.grown = 0;
    }
  }

  return {
    of: (namespaceId) => {
      const size = sizes.get(namespaceId);
      if (size === undefined) return 0;
      // What this process has written may or may not have been looked at by now.
      return isFirst ? Math.max(size.found, size.grown) : size.total + size.grown;
    },
    grown: (namespaceId, bytes) => {
      if (bytes !== 0) sizeOf(namespaceId).grown += bytes;
    },
    start: () => void goOn(""),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
