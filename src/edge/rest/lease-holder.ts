import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import type { LeaseHolder } from "../../service/workers/leases.ts";
import { headerOf } from "./header.ts";
import { tenantOf } from "./tenant.ts";

/** How a worker calls itself, for people who look into histories. */
export const workerId = z.optional(z.string("expected a text").check(z.maxLength(256, "expected at most 256 letters")));

export const holderOf = (headers: IncomingHttpHeaders, worker: string | undefined): LeaseHolder => ({
  namespace: tenantOf(headers),
  workerId: worker ?? headerOf(headers, "x-principal-id") ?? "http-worker",
});

const leaseLettersMax = 4_096;
/** A lease as a worker was given it; what it is not is found when it is used. */
export const lease = z
  .string("expected the `lease` of a task")
  .check(
    z.maxLength(leaseLettersMax, `expected at most ${leaseLettersMax} letters`),
    z.regex(/^[A-Za-z0-9_-]+$/, "expected the `lease` of a task"),
  );
