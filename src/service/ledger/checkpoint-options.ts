import { readFileSync } from "node:fs";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import { readPrivateKey } from "../../governance/policy/signature.ts";
import type { CheckpointOptions } from "./checkpoints.ts";

const intervalMin: DurationMs = secondMs;

/** How checkpoints are made, from what a configuration says; null when it names no key. */
export function readCheckpointOptions({
  key,
  interval,
  file,
}: {
  readonly key: string | null;
  readonly interval: DurationMs;
  readonly file: string | null;
}): Result<CheckpointOptions | null, string> {
  if (interval < intervalMin) return err("checkpoints.interval: expected at least 1s");
  if (key === null) return file === null ? ok(null) : err("checkpoints.file: without `checkpoints.key` there is nothing to write into it");
  try {
    const privateKey = readPrivateKey(readFileSync(key, "utf8"));
    return privateKey.ok ? ok({ privateKey: privateKey.value, interval, file }) : err(`checkpoints.key: ${key}: ${privateKey.error}`);
  } catch (error) {
    return err(`checkpoints.key: ${error instanceof Error ? error.message : String(error)}`);
  }
}
