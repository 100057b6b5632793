import { type DurationMs, secondMs } from "../../base/time.ts";

/** `burst` requests at once, and `perSecond` in the long run. */
export type Rate = { readonly perSecond: number; readonly burst: number };

/** What is left of a rate. Times are milliseconds of one clock that never goes back. */
export class Allowance {
  readonly rate: Rate;
  #left: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.rate = rate;
    this.#left = rate.burst;
    this.#at = now;
  }

  /** 0 when one was there and is taken, else how long until there is one. */
  take(now: number): DurationMs {
    this.#left = this.leftAt(now);
    this.#at = now;
    if (this.#left < 1) return Math.ceil(((1 - this.#left) / this.rate.perSecond) * secondMs);
    this.#left--;
    return 0;
  }

  leftAt(now: number): number {
    return Math.min(this.rate.burst, this.#left + ((now - this.#at) / secondMs) * this.rate.perSecond);
  }
}
