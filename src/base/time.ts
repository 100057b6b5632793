/** Milliseconds since the epoch, UTC. */
export type EpochMs = number;
/** A length of time in milliseconds. */
export type DurationMs = number;

/** The protocol's two-part time: whole seconds, and 0 to 999,999,999 nanoseconds. */
type SecondsAndNanos = { seconds: number; nanos: number };

export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** Source: google.protobuf.Timestamp and google.protobuf.Duration. */
export const toProtoTime = (ms: number): SecondsAndNanos => {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
};

/** Zero for an absent message. Whole milliseconds, which is what is stored; a part of one counts as one, so that nothing comes due early. */
export const fromProtoTime = (time: SecondsAndNanos | undefined): number =>
  time === undefined ? 0 : time.seconds * 1000 + Math.ceil(time.nanos / 1e6);
