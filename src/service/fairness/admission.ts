import { err, ok, type Result } from "../../base/result.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Quotas, RequestKind } from "../quotas/quotas.ts";
import { lineMax, type Turns } from "./turns.ts";

/** What every request passes once it is known whose it is, whatever edge it came through. */
export type Admission = {
  /** Refused when the namespace has no requests left, or too many in line; otherwise it may begin, at once or in its turn. */
  enter(namespace: string, kind: RequestKind): Result<void, Refusal> | Promise<Result<void, Refusal>>;
  /** For whoever is refused because they did not prove who they are: hears so in their turn. */
  enterStranger(): Promise<void> | null;
};

const entered: Result<void, Refusal> = ok(undefined);

/** Everybody may begin at once. */
export const unguarded: Admission = { enter: () => entered, enterStranger: () => null };

export function createAdmission({
  namespaces,
  quotas,
  turns,
}: {
  readonly namespaces: Pick<Namespaces, "get">;
  readonly quotas: Pick<Quotas, "request">;
  readonly turns: Turns;
}): Admission {
  return {
    enter: (name, kind) => {
      const namespace = namespaces.get(name);
      // Whoever answers the request says that there is no such namespace.
      if (!namespace.ok) return entered;
      const { id } = namespace.value;
      const counted = quotas.request(id, kind);
      if (!counted.ok) return counted;
      const turn = turns.enter(id, kind === "poll" ? "poll" : "request");
      if (turn === null) return entered;
      return turn === false ? tooManyInLine : turn.then(() => entered);
    },
    enterStranger: () => turns.enterStranger() || null,
  };
}

const tooManyInLine = err<Refusal>({
  kind: "resource-exhausted",
  message: `${lineMax} requests of this namespace wait already`,
  cause: ResourceExhaustedCause.CONCURRENT_LIMIT,
  scope: ResourceExhaustedScope.NAMESPACE,
});
