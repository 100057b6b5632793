import type { Permission } from "../../access/permission.ts";
import type { Result } from "../../base/result.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { AccessLookup } from "../../service/access/access.ts";
import type { Admission } from "../../service/fairness/admission.ts";
import type { RequestKind } from "../../service/quotas/quotas.ts";
import type { Permits, Permitted } from "./method.ts";
import type { RpcAccess } from "./rpc-access.ts";

/** Lets a request begin in the turn of its namespace, once it is known that whoever asks may do so. */
export function admitted<Request>(
  may: Permits<Request>,
  access: RpcAccess<Request>,
  { poll, lookup, admission }: { readonly poll: boolean; readonly lookup: AccessLookup; readonly admission: Admission },
): Permits<Request> {
  if (access.to !== "namespace") return may;
  const { namespace, permissions } = access;
  const kind = poll ? "poll" : kindOf(permissions);

  function enter(request: Request, permitted: Answer): Answer | Promise<Answer> {
    if (!permitted.ok) return permitted;
    const entered = admission.enter(namespace(request, lookup) ?? "", kind);
    if (entered instanceof Promise) return entered.then((given) => (given.ok ? permitted : given));
    return entered.ok ? permitted : entered;
  }

  return (request, caller) => {
    const permitted = may(request, caller);
    return permitted instanceof Promise ? permitted.then((given) => enter(request, given)) : enter(request, permitted);
  };
}

type Answer = Result<Permitted, Refusal>;

/** What only workers do is the answer to a task that they have. */
const kindOf = (permissions: readonly Permission[]): RequestKind =>
  permissions.every((permission) => permission === "tasks.work") ? "answer" : "request";
