import type { DurationMs, EpochMs } from "../../base/time.ts";
import type { Spend } from "../policy/constraints.ts";

/** At most `max` in each window of `per`, counted from the epoch: days end at midnight UTC. Without `per` it is never given anew. */
export type SpendLimit = Spend;

/** What is spent in the window that began at `start` (0: the only one), and what attempts under way may still spend in it. */
export type Budget = { readonly start: EpochMs; readonly spent: number; readonly reserved: number };

/** A part of a budget, set aside for one attempt. */
export type Reservation = { readonly start: EpochMs; readonly amount: number };

export const untouched: Budget = { start: 0, spent: 0, reserved: 0 };

/** Sums of money stay readable, and a sum of many parts is what it should be. */
export const rounded = (amount: number): number => Math.round(amount * 1e6) / 1e6;

/** The budget of now: a new window is full again. A clock that was set back stays in the latest window. */
export function inWindow(budget: Budget, { per }: SpendLimit, now: EpochMs): Budget {
  if (per === null) return budget;
  const start = Math.floor(now / per) * per;
  return start > budget.start ? { start, spent: 0, reserved: 0 } : budget;
}

/** When the next window begins; null when there is none. */
export const renewedAt = ({ start }: Budget, per: DurationMs | null): EpochMs | null => (per === null ? null : start + per);

/** How much an attempt sets aside; null for all that is left. */
const reservationOf = ({ unit, reserve }: SpendLimit): number | null => (unit === "actions" ? 1 : (reserve ?? null));

/**
 * How many attempts the budget has room for now. `exhausted`: not even when everything under way turns out to cost nothing. Actions are
 * spent by happening, so what of them is under way counts as spent.
 */
export function roomIn(budget: Budget, limit: SpendLimit): { readonly count: number; readonly exhausted: boolean } {
  const { max, unit } = limit;
  const each = reservationOf(limit);
  const certain = unit === "actions" ? budget.spent + budget.reserved : budget.spent;
  if (each === null) return { count: budget.reserved === 0 && budget.spent < max ? 1 : 0, exhausted: budget.spent >= max };
  const left = rounded(max - budget.spent - budget.reserved);
  return { count: Math.max(0, Math.floor(rounded(left / each))), exhausted: rounded(certain + each) > max };
}

/** Sets aside what one attempt may spend; to be asked of a budget with room. */
export function reserve(budget: Budget, limit: SpendLimit): { readonly budget: Budget; readonly reservation: Reservation } {
  const amount = reservationOf(limit) ?? Math.max(0, rounded(limit.max - budget.spent - budget.reserved));
  return {
    budget: { ...budget, reserved: rounded(budget.reserved + amount) },
    reservation: { start: budget.start, amount },
  };
}

/** The attempt is over and has spent `actual`, 0 when it never reached a worker. What belongs to a former window is no news. */
export function settle(budget: Budget, { start, amount }: Reservation, actual: number): Budget {
  if (start !== budget.start) return budget;
  return { start, spent: rounded(budget.spent + actual), reserved: Math.max(0, rounded(budget.reserved - amount)) };
}
