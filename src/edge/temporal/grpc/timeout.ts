import type { DurationMs } from "../../../base/time.ts";

/** What a caller says in `grpc-timeout`: up to 8 digits and a unit. Null if it says something else. */
export function parseTimeout(header: string): DurationMs | null {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header);
  if (match === null) return null;
  const [, digits, unit] = match;
  return Number(digits) * (unitMs[unit ?? ""] ?? 0);
}

// Source: github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
const unitMs: { readonly [unit: string]: DurationMs } = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
