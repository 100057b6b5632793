import { err, ok, type Result } from "../../base/result.ts";
import type { DurationMs, EpochMs } from "../../base/time.ts";

export type LockMode = "exclusive" | "shared";

/** Who holds a resource. A hold ends by itself when its time is over. */
export type Lock = {
  readonly resource: string;
  readonly mode: LockMode;
  readonly holds: readonly Hold[];
  readonly updatedAt: EpochMs;
};
/** `count` is how often its owner has acquired it, less how often released. */
export type Hold = { readonly owner: string; readonly count: number; readonly expiresAt: EpochMs };

/** Of one lock, all counts together. */
export const holdsMax = 1_000;

/** Without what is over; null when nothing is left. */
export function atTime(lock: Lock, now: EpochMs): Lock | null {
  const holds = lock.holds.filter(({ expiresAt }) => expiresAt > now);
  return holds.length === 0 ? null : { ...lock, holds };
}

/**
 * Owners may acquire again what they hold. Whoever holds it alone may make it exclusive; what is exclusive stays so until it is released.
 * Acquiring again never shortens a hold.
 */
export function acquire(
  lock: Lock | null,
  { resource, owner, mode, ttl, now }: { resource: string; owner: string; mode: LockMode; ttl: DurationMs; now: EpochMs },
): Result<Lock, "lock-unavailable" | "too-many-holds"> {
  const expiresAt = now + ttl;
  if (lock === null) return ok({ resource, mode, holds: [{ owner, count: 1, expiresAt }], updatedAt: now });
  const others = lock.holds.filter((hold) => hold.owner !== owner);
  if (others.length > 0 && (mode === "exclusive" || lock.mode === "exclusive")) return err("lock-unavailable");
  if (lock.holds.reduce((sum, { count }) => sum + count, 0) >= holdsMax) return err("too-many-holds");
  const own = lock.holds.find((hold) => hold.owner === owner) ?? { owner, count: 0, expiresAt };
  const hold = { owner, count: own.count + 1, expiresAt: Math.max(own.expiresAt, expiresAt) };
  return ok({ ...lock, mode: lock.mode === "exclusive" ? "exclusive" : mode, holds: [...others, hold], updatedAt: now });
}

/** The same in the place of whoever is in the way. */
export function takeOver(lock: Lock | null, request: Parameters<typeof acquire>[1]): ReturnType<typeof acquire> {
  const acquired = acquire(lock, request);
  if (acquired.ok || acquired.error !== "lock-unavailable" || lock === null) return acquired;
  const own = lock.holds.filter(({ owner }) => owner === request.owner);
  return acquire(own.length === 0 ? null : { ...lock, holds: own }, request);
}

/** Null when nobody holds it any more. */
export function release(lock: Lock | null, { owner, now }: { owner: string; now: EpochMs }): Result<Lock | null, "lock-not-held"> {
  if (lock === null || !lock.holds.some((hold) => hold.owner === owner)) return err("lock-not-held");
  const holds = lock.holds
    .map((hold) => (hold.owner === owner ? { ...hold, count: hold.count - 1 } : hold))
    .filter(({ count }) => count > 0);
  return ok(holds.length === 0 ? null : { ...lock, holds, updatedAt: now });
}

/** From now on, `ttl` is what remains. */
export function renew(lock: Lock | null, { owner, ttl, now }: { owner: string; ttl: DurationMs; now: EpochMs }): Result<Lock, "lock-lost"> {
  if (lock === null || !lock.holds.some((hold) => hold.owner === owner)) return err("lock-lost");
  const expiresAt = now + ttl;
  return ok({ ...lock, holds: lock.holds.map((hold) => (hold.owner === owner ? { ...hold, expiresAt } : hold)), updatedAt: now });
}
