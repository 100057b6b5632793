import type { EpochMs } from "../../base/time.ts";

/** RFC 3339; null for zero, which stands for "not set". */
export const timeOf = (at: EpochMs): string | null => (at === 0 ? null : new Date(at).toISOString());
