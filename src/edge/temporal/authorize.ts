import type { Permission } from "../../access/permission.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { AccessLookup } from "../../service/access/access.ts";
import { openSession, type Session } from "../../service/access/session.ts";
import type { Caller } from "../../service/services.ts";
import type { Permits, Permitted } from "./method.ts";
import type { RpcAccess } from "./rpc-access.ts";

type Answer = Result<Permitted, Refusal>;

/**
 * Whether a request is for whoever calls. Refusals have the words and the detail of Temporal's server, and whoever may not see a namespace
 * hears the same of one that there is not.
 */
export function permits<Request>(access: RpcAccess<Request>, lookup: AccessLookup): Permits<Request> {
  return (request, { session = openSession, namespace: said = "" }: Caller) => {
    const { principal, authority } = session;
    if (principal === null || access.to === "everybody") return everything;
    if (access.to === "everywhere")
      return authority.allowsEverywhere(access.permission) ? everything : lacking(access.permission, "every namespace");
    const namespace = access.namespace(request, lookup);
    if (namespace === null) return unauthorized("the namespace is not that of the request");
    if (said !== "" && said !== namespace) return unauthorized("metadata `temporal-namespace` names another namespace than the request");
    const allowed = access.permissions.filter((permission) => authority.allows(permission, namespace));
    // Who may not see a namespace does not learn the name that belongs to its id.
    const where = authority.sees(namespace) ? `namespace ${namespace}` : "the namespace of the request";
    if (allowed.length === 0) return lacking(access.permissions[0] as Permission, where);
    const foreign = access.reaches?.(request).find((other) => other !== namespace && !authority.allows("workflows.write", other));
    if (foreign !== undefined) return lacking("workflows.write", `namespace ${foreign}`);
    const granted = authority.allows("payloads.read", namespace) ? everything : withoutPayloads;
    // Whoever may do it without being a worker is not kept to task queues.
    if (access.taskQueue === null || principal.taskQueues === null || allowed.some((permission) => permission !== "tasks.work"))
      return granted;
    const queue = access.taskQueue(request, lookup);
    if (queue instanceof Promise) return queue.then((found) => refusedQueue(found, session) ?? granted);
    return refusedQueue(queue, session) ?? granted;
  };
}

export const permitsAnybody: Permits<unknown> = () => everything;

const everything: Answer = ok({ hidesPayloads: false });
const withoutPayloads: Answer = ok({ hidesPayloads: true });

function refusedQueue(queue: string | null, { authority }: Session): Answer | null {
  if (queue === null) return unauthorized("whose task queue it is cannot be told");
  return authority.mayPoll(queue) ? null : unauthorized(`task queue ${queue} is not among those of this principal`);
}

const lacking = (permission: Permission, where: string): Answer => unauthorized(`${permission} is needed in ${where}`);
const unauthorized = (reason: string): Answer => err({ kind: "permission-denied", message: "Request unauthorized.", reason });
