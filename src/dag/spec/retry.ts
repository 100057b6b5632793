import { type DurationMs, secondMs } from "../../base/time.ts";
import { into, mapping, numberAbove, type ReadBy, report, wholeNumber } from "../../language/reader.ts";

/** How often an action is tried, and how long the run waits in between: `initialMs × multiplier^(attempt − 1)`, at most `maxMs`. */
export type Retry = {
  readonly attemptsMax: number;
  readonly initialMs: DurationMs;
  readonly multiplier: number;
  readonly maxMs: DurationMs;
};

const attemptsMax = 1_000;
export const once: Retry = { attemptsMax: 1, initialMs: secondMs, multiplier: 2, maxMs: Number.POSITIVE_INFINITY };

/** `retries: {max_attempts, backoff_ms}`: all attempts are counted, and the pause stays the same unless `multiplier` says otherwise. */
export const readRetries = into(
  mapping({
    maxAttempts: wholeNumber(1, attemptsMax),
    backoffMs: wholeNumber(0),
    multiplier: numberAbove(0),
    maxBackoffMs: wholeNumber(1),
  }),
  ({ maxAttempts, backoffMs = secondMs, multiplier = 1, maxBackoffMs = Number.POSITIVE_INFINITY }, at): Retry | undefined => {
    if (maxAttempts === undefined) return report(at, "`retries` needs `max_attempts`");
    return { attemptsMax: maxAttempts, initialMs: backoffMs, multiplier, maxMs: maxBackoffMs };
  },
);

/** `retry: {max_retries, initial_backoff_sec, …}`: the attempts after the first are counted, and the pause doubles unless told otherwise. */
export const readRetry = into(
  mapping({
    maxRetries: wholeNumber(0, attemptsMax - 1),
    initialBackoffSec: numberAbove(0),
    maxBackoffSec: numberAbove(0),
    multiplier: numberAbove(0),
  }),
  ({ maxRetries = 0, initialBackoffSec = 1, maxBackoffSec = Number.POSITIVE_INFINITY, multiplier = 2 }): Retry => ({
    attemptsMax: maxRetries + 1,
    initialMs: initialBackoffSec * secondMs,
    multiplier: multiplier <= 1 ? 2 : multiplier,
    maxMs: maxBackoffSec * secondMs,
  }),
);
export type RetryFields = ReadBy<typeof readRetry>;

/** The pause after a failed attempt, in whole milliseconds. */
export const backoffMs = ({ initialMs, multiplier, maxMs }: Retry, attempt: number): DurationMs =>
  Math.round(Math.min(initialMs * multiplier ** (attempt - 1), maxMs, backoffMsMax));
/** A year. */
const backoffMsMax = 365 * 24 * 3600 * secondMs;
