import { isIP } from "node:net";
import { type DurationMs, type EpochMs, minuteMs, secondMs } from "../../base/time.ts";
import type { Lockout } from "./authenticator.ts";

/** So many failures within `failureWindow` are let pass: people mistype, and keys are changed in one place after the other. */
export const failuresFree = 5;
export const failureWindow: DurationMs = minuteMs;
/** After that many, and twice as long after each further one. */
export const lockTimeMin: DurationMs = secondMs;
export const lockTimeMax: DurationMs = 5 * minuteMs;
/** A source that has kept quiet so long after it was free again begins anew. */
export const lockForgottenAfter: DurationMs = 10 * minuteMs;
/** Sources that are remembered; the one that has failed longest ago goes first. */
export const lockedSourcesMax = 10_000;

type Failures = {
  readonly count: number;
  /** Of those that are counted. */
  readonly since: EpochMs;
  readonly lockTime: DurationMs;
  readonly lockedUntil: EpochMs;
};

/**
 * Slows down whoever tries credentials out. A source is an address, or an address, a space and what is tried there. All addresses of one IPv6
 * network of 64 bits, which one customer of a provider has, are the same source. In memory, so that a restart forgets it.
 */
export function createLockout({ now }: { readonly now: () => EpochMs }): Lockout {
  /** By when they have failed last. */
  const known = new Map<string, Failures>();

  return {
    retryAfter: (source) => Math.max(0, (known.get(sourceOf(source))?.lockedUntil ?? 0) - now()),
    failed: (source) => {
      const name = sourceOf(source);
      const after = afterFailure(known.get(name), now());
      known.delete(name);
      known.set(name, after);
      const [oldest] = known.keys();
      if (known.size > lockedSourcesMax && oldest !== undefined) known.delete(oldest);
    },
    succeeded: (source) => {
      known.delete(sourceOf(source));
    },
  };
}

function afterFailure(before: Failures | undefined, now: EpochMs): Failures {
  const first: Failures = { count: 1, since: now, lockTime: 0, lockedUntil: 0 };
  if (before === undefined) return first;
  const { count, since, lockTime, lockedUntil } = before;
  // What was under way when it was locked does not lock it for longer.
  if (now < lockedUntil) return before;
  const isOver = lockTime === 0 ? now - since >= failureWindow : now - lockedUntil >= lockForgottenAfter;
  if (isOver) return first;
  if (count < failuresFree) return { ...before, count: count + 1 };
  const longer = lockTime === 0 ? lockTimeMin : Math.min(2 * lockTime, lockTimeMax);
  return { count: count + 1, since, lockTime: longer, lockedUntil: now + longer };
}

function sourceOf(text: string): string {
  const end = text.indexOf(" ");
  return end < 0 ? networkOf(text) : networkOf(text.slice(0, end)) + text.slice(end);
}

/** The first 64 bits of an IPv6 address; an IPv4 address, also one that is written as IPv6, as it is. */
export function networkOf(text: string): string {
  const [address = ""] = text.split("%");
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = address.split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const groups = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  const [a = 0, b = 0] = groups.slice(6);
  // RFC 4291, section 2.5.5.2: how a socket for both kinds of addresses shows those of IPv4.
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return [a >> 8, a & 255, b >> 8, b & 255].join(".");
  const network = groups.slice(0, 4).map((group) => group.toString(16));
  return `${network.join(":")}::/64`;
}

/** The last two may be written as an IPv4 address. */
const groupsOf = (text: string): readonly number[] =>
  text === ""
    ? []
    : text.split(":").flatMap((group) => {
        const [a, b = 0, c = 0, d = 0] = group.split(".").map(Number);
        return group.includes(".") ? [(a ?? 0) * 256 + b, c * 256 + d] : [Number.parseInt(group, 16)];
      });
