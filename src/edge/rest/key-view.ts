import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import type { BootstrapRefusal } from "../../service/access/bootstrap.ts";
import { type KeyRefusal, type KnownKey, keyStatuses, type Manager, type NewKey } from "../../service/access/keys.ts";
import type { Session } from "../../service/access/session.ts";
import { askerOf } from "./asker.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";
import { listOf, named, textOrNull, texts, timeOrNull, timeText } from "./schema.ts";

/** Whoever asks, with their own rights; where nobody has to prove anything, under the name that they say. */
export const managerOf = (headers: IncomingHttpHeaders, { authority }: Session): Manager => ({ id: askerOf(headers).by, authority });

export const grantsSchema = listOf(z.object({ namespaces: texts, roles: texts }));
export const kindSchema = z.enum(["human", "service"], "expected human or service");

const keyFields = {
  id: z.string(),
  name: z.string(),
  principal: z.string(),
  kind: kindSchema,
  grants: grantsSchema,
  task_queues: z.nullable(texts),
  status: z.enum(keyStatuses),
  created_at: timeText,
  created_by: z.string(),
  expires_at: timeOrNull,
  last_used_at: timeOrNull,
  revoked_at: timeOrNull,
  revoked_by: textOrNull,
  rotated_from: textOrNull,
};
export const keySchema = named("ApiKey", z.object(keyFields));
/** With its text, which nobody is told again. */
export const newKeySchema = named("NewApiKey", z.object({ ...keyFields, key: z.string() }));

/** Without its hash. */
export const keyView = (key: KnownKey): z.infer<typeof keySchema> => ({
  id: key.id,
  name: key.name,
  principal: key.principal,
  kind: key.kind,
  grants: key.grants,
  task_queues: key.taskQueues,
  status: key.status,
  created_at: new Date(key.createdAt).toISOString(),
  created_by: key.createdBy,
  expires_at: timeOf(key.expiresAt),
  last_used_at: timeOf(key.lastUsedAt),
  revoked_at: timeOf(key.revokedAt),
  revoked_by: key.revokedBy,
  rotated_from: key.rotatedFrom,
});

const timeOf = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

export const newKeyView = ({ key, text }: NewKey): z.infer<typeof newKeySchema> => ({ ...keyView(key), key: text });

type Refusal = KeyRefusal | Exclude<BootstrapRefusal, { readonly kind: "locked-out" }>;

const refusals: { readonly [R in Refusal["kind"]]: readonly [status: number, detail: string] } = {
  "no-such-key": [404, "key not found"],
  "key-ended": [409, "this key was revoked, or has expired: make a new one"],
  "key-rotated": [409, "this key was rotated before: rotate the one that came in its place"],
  "too-many-keys": [409, "there are too many keys: revoke those that nobody uses"],
  "bad-key": [400, "this cannot be a key"],
  "exceeds-own-rights": [403, "this is more than you may do yourself"],
  "no-such-role": [404, "role not found"],
  "role-is-built-in": [409, "this role is of every server, and stays as it is"],
  "role-of-configuration": [409, "this role is of the server's configuration: change it there"],
  "too-many-roles": [409, "there are too many roles"],
  "bad-role": [400, "this cannot be a role"],
  "not-bootstrapping": [409, "an administrator has a key already, or this server has no token for the first one"],
  "bad-bootstrap-token": [403, "this is not the token for the first key"],
  busy: [503, "others are changing this at the same moment: try again"],
};

export function keyProblem(refusal: Refusal): Problem {
  if (refusal.kind === "bad-key" || refusal.kind === "bad-role") return badRequest(refusal.kind, refusal.message);
  const [status, detail] = refusals[refusal.kind];
  return { status, code: refusal.kind, detail: refusal.kind === "exceeds-own-rights" ? `${detail}: ${refusal.what}` : detail };
}

/** For a route to state. */
export const keyCodes = (...kinds: readonly Refusal["kind"][]): ProblemCodes =>
  Object.fromEntries(kinds.map((kind) => [kind, refusals[kind][0]]));
