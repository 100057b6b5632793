import type { IncomingHttpHeaders } from "node:http";
import type { Session } from "../../service/access/session.ts";
import type { Asker } from "../../service/dag/dag-runs.ts";
import { headerOf } from "./header.ts";
import { tenantOf } from "./tenant.ts";

/** Who asks, in which tenant. Whoever does not say who they are may ask all the same: the policy decides on what they start. */
export const askerOf = (headers: IncomingHttpHeaders, session?: Session): Asker => ({
  namespace: tenantOf(headers),
  by: headerOf(headers, "x-principal-id") ?? "anonymous",
  ...(session === undefined ? {} : { session }),
});
