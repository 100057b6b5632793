import * as z from "zod/mini";
import { noQuotas, type QuotaOptions } from "../access/quota.ts";
import { parseBytes, parseCount } from "../base/quantity.ts";
import { setting } from "./setting.ts";

/** What namespaces may take of the server. `docs/access.md` explains it. */
export type QuotasConfig = QuotaOptions;

export const defaultQuotas: QuotasConfig = noQuotas;

const countOrOff = setting("a whole number above 0, or `off`", (value) => (value === "off" || value === null ? null : parseCount(value)));
const bytesOrOff = setting("a size such as 512MiB or 20GiB, or `off`", (value) =>
  value === "off" || value === null ? null : parseBytes(value),
);

const limits = {
  requestsPerSecond: countOrOff,
  requestBurst: countOrOff,
  openRuns: countOrOff,
  storedBytes: bytesOrOff,
  concurrentActivities: countOrOff,
  openPolls: countOrOff,
};

export const quotasSchema = z.strictObject({
  default: z.strictObject(limits),
  namespaces: z.record(z.string(), z.partial(z.strictObject(limits)), { error: "expected a mapping of namespaces to quotas" }),
});
