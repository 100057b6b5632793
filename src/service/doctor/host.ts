import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { roughBytes, roughDuration } from "../../base/quantity.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Checkup, Symptom } from "./symptom.ts";

/** The machine that the server runs on. */
export type Host = {
  /** Of the file system that holds the database; null when that is in memory. */
  disk(): Promise<{ readonly freeBytes: number; readonly sizeBytes: number } | null>;
  /** How far its clock was set forward since the server started; negative when set back. Time that the machine slept counts. */
  clockStep(): DurationMs;
};

/** Watches the machine from now on. */
export function watchHost(databasePath: string): Host {
  const offset = () => Date.now() - performance.now();
  const atStart = offset();
  return {
    disk: async () => {
      if (databasePath === ":memory:") return null;
      const { bavail, blocks, bsize } = await statfs(dirname(databasePath));
      return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
    },
    clockStep: () => Math.round(offset() - atStart),
  };
}

const freeBytesMin = 2 ** 30;
const freeShareMin = 0.05;
/** Clocks that are slewed drift by less. */
const stepMin: DurationMs = 5 * secondMs;

/** Room on the disk, and steps of the clock. */
export function hostCheckup(host: Host): Checkup {
  return async () => {
    const disk = await host.disk();
    const step = host.clockStep();
    const symptoms: Symptom[] = [];
    const about = { namespaceId: null, since: null, count: 1, examples: [] };
    if (disk !== null && (disk.freeBytes < freeBytesMin || disk.freeBytes < disk.sizeBytes * freeShareMin))
      symptoms.push({
        ...about,
        kind: "disk-nearly-full",
        severity: "critical",
        what: `${roughBytes(disk.freeBytes)} of ${roughBytes(disk.sizeBytes)} are free where the database is`,
        why: "histories of closed runs are kept for their retention, and the ledger for good; or something else fills the disk",
        executed: "everything that was acknowledged is on disk; once it is full, requests are refused and nothing is lost",
        safe: "make room or enlarge the disk; shorten the retention of namespaces. Do not delete the files beside the database",
      });
    if (Math.abs(step) >= stepMin)
      symptoms.push({
        ...about,
        kind: "clock-stepped",
        severity: "warning",
        what: `the host's clock was set ${step > 0 ? "forward" : "back"} by ${roughDuration(Math.abs(step))} since the server started`,
        why: step > 0 ? "somebody set it, or the machine slept" : "somebody set it",
        executed:
          step > 0
            ? "timers, time-outs and expiries came early by as much"
            : "the server's clock stood still until the host's had caught up, and what was due came late by as much",
        safe: "let the host slew its clock (chrony, ntpd); what has expired stays so",
      });
    return symptoms;
  };
}
