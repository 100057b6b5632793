import type { IncomingMessage } from "node:http";
import type { Access } from "../../service/access/access.ts";
import { refusedByHeaders } from "./guard.ts";
import { identify, refusedTo } from "./identify.ts";
import type { Problem } from "./problem.ts";

/** Why somebody may not read the metrics, which are of all tenants; null when they may. */
export async function refuseMetrics(request: IncomingMessage, access: Pick<Access, "authenticate">): Promise<Problem | null> {
  const refused = refusedByHeaders(request.rawHeaders);
  if (refused !== null) return refused;
  const proved = await identify(request, access);
  return proved.ok ? refusedTo(proved.value, { to: "everywhere", permission: "system.read" }, "") : proved.error;
}
