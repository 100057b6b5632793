import type { EpochMs } from "../base/time.ts";

/** The one source of time. Everything that is recorded or comes due is measured by it. */
export type Clock = {
  /** Never goes backwards. */
  now(): EpochMs;
  /** Calls back once when `at` has come, and returns how to call it off. */
  schedule(at: EpochMs, callback: () => void): () => void;
};

/** Node's timers cannot wait longer than this; the callback is scheduled again until its time has come. */
const timeoutMsMax = 2 ** 31 - 1;

export function createSystemClock(): Clock {
  let last = 0;
  const now = () => {
    // A host clock that is set back must not make recorded times run backwards.
    last = Math.max(last, Date.now());
    return last;
  };
  return { now, schedule: (at, callback) => scheduleBy(now, at, callback) };
}

/** Schedules on a clock that advances with real time from wherever it stands. */
export function scheduleBy(now: () => EpochMs, at: EpochMs, callback: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = () => {
    const remaining = at - now();
    if (remaining > timeoutMsMax) timer = setTimeout(wait, timeoutMsMax);
    else timer = setTimeout(callback, Math.max(0, remaining));
    timer.unref();
  };
  wait();
  return () => clearTimeout(timer);
}
