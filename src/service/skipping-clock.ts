import { err, ok, type Result } from "../base/result.ts";
import type { DurationMs, EpochMs } from "../base/time.ts";
import { invalidArgument, type Refusal } from "../protocol/refusal.ts";
import { type Clock, scheduleBy } from "./clock.ts";

/** A clock for tests: it runs with real time, and jumps over time in which nothing happens while nobody holds a lock on it. */
export type SkippingClock = Clock & {
  lock(): void;
  unlock(): Result<void, Refusal>;
  /** Resolves when `until` has come, by waiting or by a jump. */
  sleepUntil(until: EpochMs): Promise<void>;
  /** Something happened: perhaps time can be skipped now. */
  consider(): void;
  /** What the clock has to know of the server it drives. */
  drive(server: { readonly isBusy: () => boolean; readonly nextWake: () => Promise<EpochMs | null>; readonly jumped: () => void }): void;
};

type Scheduled = { readonly at: EpochMs; readonly callback: () => void; cancel: () => void };

/** Starts locked, as the reference test server does. Source: temporal.api.testservice.v1.TestService. */
export function createSkippingClock(): SkippingClock {
  let skipped: DurationMs = 0;
  let locks = 1;
  let considering = false;
  let news = false;
  let server: Parameters<SkippingClock["drive"]>[0] | null = null;
  const scheduled = new Set<Scheduled>();
  const sleepers = new Set<EpochMs>();

  const now = () => Date.now() + skipped;

  function arm(entry: Scheduled): void {
    entry.cancel = scheduleBy(now, entry.at, () => {
      scheduled.delete(entry);
      entry.callback();
    });
  }

  function jump(to: EpochMs): void {
    skipped += to - now();
    for (const entry of scheduled) {
      entry.cancel();
      arm(entry);
    }
    server?.jumped();
  }

  /** Looks where to jump to. What happens meanwhile may make another place right, so then it looks again. */
  async function skip(): Promise<void> {
    try {
      while (news) {
        news = false;
        // What has just been committed may be about to wake a worker or a client.
        await new Promise((resolve) => setImmediate(resolve));
        if (locks > 0 || server === null || server.isBusy()) continue;
        const wake = await server.nextWake();
        if (news || locks > 0 || server.isBusy()) continue;
        const next = Math.min(wake ?? Number.POSITIVE_INFINITY, ...sleepers);
        if (Number.isFinite(next) && next > now()) jump(next);
      }
    } finally {
      considering = false;
    }
  }

  const clock: SkippingClock = {
    now,
    schedule: (at, callback) => {
      const entry: Scheduled = { at, callback, cancel: () => {} };
      scheduled.add(entry);
      arm(entry);
      return () => {
        scheduled.delete(entry);
        entry.cancel();
      };
    },
    lock: () => {
      locks++;
    },
    unlock: () => {
      if (locks === 0) return err(invalidArgument("time skipping is not locked"));
      locks--;
      clock.consider();
      return ok(undefined);
    },
    sleepUntil: (until) =>
      new Promise((resolve) => {
        sleepers.add(until);
        clock.schedule(until, () => {
          sleepers.delete(until);
          resolve();
          clock.consider();
        });
        clock.consider();
      }),
    consider: () => {
      if (locks > 0) return;
      news = true;
      if (considering) return;
      considering = true;
      void skip();
    },
    drive: (driven) => {
      server = driven;
    },
  };
  return clock;
}
