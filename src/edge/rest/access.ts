import type { Permission } from "../../access/permission.ts";
import type { ProblemCodes } from "./problem.ts";

/** Who may ask a route. */
export type RouteAccess =
  /** Anybody, also who does not say who they are. */
  | { readonly to: "public" }
  /** Whoever proves who they are. */
  | { readonly to: "everybody" }
  /** What belongs to no tenant: whoever has the permission in all of them. */
  | { readonly to: "everywhere"; readonly permission: Permission }
  /** Whoever has one of the permissions in the tenant that the request is for. */
  | {
      readonly to: "tenant";
      readonly permissions: readonly Permission[];
      /** Of a request for a task: the task queue that its body names, since some principals are kept to a few. */
      readonly taskQueue?: (body: unknown) => string;
      /** Members of the answer that hold payloads: they are hidden from who may not read those. */
      readonly payloads?: readonly string[];
    };

/** What every route that is not public may be refused with. */
export const identityCodes: ProblemCodes = { unauthenticated: 401, "locked-out": 429 };
/** And every route that needs a permission. */
export const accessCodes: ProblemCodes = { ...identityCodes, "permission-denied": 403 };
