import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Room } from "../../governance/limits/tally.ts";
import type { RunKey } from "../../store/store.ts";
import type { Clock } from "../clock.ts";

/** An attempt that waits for room; `stamp` is that of its activity while it waits. */
export type Asker = { readonly run: RunKey; readonly scheduledEventId: number; readonly stamp: number };

/**
 * Who waits for which limit, in order of arrival. Room that comes up is promised to whoever waits longest: it is woken, and nobody else gets
 * the room while it is on its way to a worker. In memory only: after a restart everybody comes again when their time is up.
 */
export type Lines = {
  /** Whether there is room for this asker now: promised to it, or not promised to anybody while nobody waits before it. */
  mayGo(key: string, asker: Asker, room: Room): boolean;
  /** Puts the asker in line, and out of any other; it keeps the place that it has. `full`: there are too many, it has to ask again. */
  join(key: string, asker: Asker): "joined" | "waits already" | "full";
  /** Takes the asker out of its line: it goes, or is gone. */
  leave(asker: Pick<Asker, "run" | "scheduledEventId">): void;
  /** Something ended, or time has passed: wakes those for whom there is room. */
  advance(key: string): void;
  /** Wakes everybody: other limits are in force. */
  dissolve(): void;
  waiting(key: string): number;
  /** Attempts in all lines, those that are on their way to a worker included. */
  readonly size: number;
  /** Wakes nobody any more. */
  stop(): void;
};

/** Attempts that wait in all lines together; each takes about 500 bytes. */
export const waitersMax = 10_000;
/** How long room is kept for an attempt that was woken. It goes to somebody else if no worker has come for it by then. */
const promisedFor: DurationMs = 5 * secondMs;
/** Runs that are woken at one time. */
const wakesAtOnceMax = 32;

type Line = {
  readonly waiting: Map<string, Asker>;
  /** With how to call off the end of the promise. */
  readonly promised: Map<string, () => void>;
  callOff: (() => void) | null;
};

export function createLines(deps: {
  readonly clock: Clock;
  readonly roomOf: (key: string) => Room;
  /** Makes the attempt due now; false when it no longer waits. */
  readonly wake: (asker: Asker) => Promise<boolean>;
}): Lines {
  const { clock, roomOf, wake } = deps;
  const lines = new Map<string, Line>();
  /** Everybody stands in one line at most. */
  const places = new Map<string, string>();
  const woken = new Map<string, Asker>();
  let waking = 0;

  function lineOf(key: string): Line {
    let line = lines.get(key);
    if (line === undefined) {
      line = { waiting: new Map(), promised: new Map(), callOff: null };
      lines.set(key, line);
    }
    return line;
  }

  function leave(asker: Pick<Asker, "run" | "scheduledEventId">): void {
    const name = nameOf(asker);
    const key = places.get(name);
    if (key === undefined) return;
    places.delete(name);
    const line = lineOf(key);
    line.waiting.delete(name);
    line.promised.get(name)?.();
    line.promised.delete(name);
    advance(key);
  }

  function advance(key: string): void {
    const line = lines.get(key);
    if (line === undefined) return;
    line.callOff?.();
    line.callOff = null;
    if (line.waiting.size > 0) {
      const room = roomOf(key);
      for (const [name, asker] of line.waiting) {
        if (!room.exhausted && line.promised.size >= room.count) break;
        line.waiting.delete(name);
        // Where there is room for all, or for none for good, there is nothing to promise.
        if (room.exhausted || room.count === Number.POSITIVE_INFINITY) places.delete(name);
        else
          line.promised.set(
            name,
            clock.schedule(clock.now() + promisedFor, () => leave(asker)),
          );
        wakeSoon(name, asker);
      }
      if (line.waiting.size > 0 && room.moreAt !== null)
        line.callOff = clock.schedule(Math.max(room.moreAt, clock.now() + 1), () => advance(key));
    }
    if (line.waiting.size + line.promised.size === 0) lines.delete(key);
  }

  function wakeSoon(name: string, asker: Asker): void {
    woken.set(name, asker);
    if (waking >= wakesAtOnceMax) return;
    waking++;
    void wakeAll().finally(() => waking--);
  }

  async function wakeAll(): Promise<void> {
    for (let [next] = woken; next !== undefined; [next] = woken) {
      const [name, asker] = next;
      woken.delete(name);
      // One that cannot be woken now looks again by itself when its time is up.
      const waited = await wake(asker).catch(() => false);
      if (!waited) leave(asker);
    }
  }

  function clear(): void {
    for (const { callOff, promised } of lines.values()) {
      callOff?.();
      for (const lapse of promised.values()) lapse();
    }
    lines.clear();
    places.clear();
  }

  return {
    mayGo: (key, asker, room) => {
      const line = lines.get(key);
      if (line === undefined) return room.count >= 1;
      const name = nameOf(asker);
      if (line.promised.has(name)) return room.count >= 1;
      const [first] = line.waiting.keys();
      return (first === undefined || first === name) && room.count - line.promised.size >= 1;
    },

    join: (key, asker) => {
      const name = nameOf(asker);
      const place = places.get(name);
      const waits = place === key && lineOf(key).waiting.has(name);
      if (!waits) {
        leave(asker);
        if (places.size >= waitersMax) return "full";
        places.set(name, key);
      }
      const line = lineOf(key);
      line.waiting.set(name, asker);
      // Whoever is first has somebody look when time makes room.
      if (line.callOff === null) advance(key);
      return waits ? "waits already" : "joined";
    },

    leave,
    advance,

    dissolve: () => {
      const waiting = [...lines.values()].flatMap((line) => [...line.waiting]);
      clear();
      for (const [name, asker] of waiting) wakeSoon(name, asker);
    },

    stop: () => {
      clear();
      woken.clear();
    },

    get size() {
      return places.size;
    },

    waiting: (key) => lines.get(key)?.waiting.size ?? 0,
  };
}

const nameOf = ({ run, scheduledEventId }: Pick<Asker, "run" | "scheduledEventId">): string => `${run.runId}/${scheduledEventId}`;
