/** What a namespace may take of the server; null is without limit. */
export type QuotaLimits = {
  /** Of clients over gRPC and HTTP together, in the long run. Workers' polls and answers have four times as many of their own. */
  readonly requestsPerSecond: number | null;
  /** At once; null is two seconds' worth. */
  readonly requestBurst: number | null;
  /** Runs that have not closed. */
  readonly openRuns: number | null;
  /** Of histories, bytes. */
  readonly storedBytes: number | null;
  /** Tasks that workers have and have not answered; further ones wait. */
  readonly concurrentActivities: number | null;
  /** Polls of workers that wait for a task. */
  readonly openPolls: number | null;
};

export type QuotaOptions = {
  readonly default: QuotaLimits;
  /** By name; what they leave out is the default's. */
  readonly namespaces: { readonly [namespace: string]: { readonly [Q in keyof QuotaLimits]?: QuotaLimits[Q] | undefined } };
};

export const noQuotas: QuotaOptions = {
  default: {
    requestsPerSecond: null,
    requestBurst: null,
    openRuns: null,
    storedBytes: null,
    concurrentActivities: null,
    openPolls: null,
  },
  namespaces: {},
};

/** Of the namespace of that name. */
export function quotasOf({ default: limits, namespaces }: QuotaOptions, name: string): QuotaLimits {
  const own = Object.hasOwn(namespaces, name) ? Object.entries(namespaces[name] ?? {}) : [];
  return { ...limits, ...Object.fromEntries(own.filter(([, limit]) => limit !== undefined)) };
}
