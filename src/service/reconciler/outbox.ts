import type { Store } from "../../store/store.ts";
import { orderedAt, type Transfer } from "../transfer.ts";
import { type Check, type Finding, overdueAfter } from "./finding.ts";

const pageMax = 200;

/** Carries out effects that nobody was going to, and names those that fail again and again. */
export function outbox({
  store,
  transfer,
}: {
  readonly store: Pick<Store, "readOutbox">;
  readonly transfer: Pick<Transfer, "takeUp" | "failing">;
}): Check {
  let after = 0;
  return async (now) => {
    const page = await store.readOutbox(after, pageMax);
    after = page.length < pageMax ? 0 : (page.at(-1)?.order ?? 0);
    const taken = transfer.takeUp(page.filter((entry) => orderedAt(entry) <= now - overdueAfter));
    const lost = taken.map(
      (entry): Finding => ({ kind: "lost-effect", outcome: "repaired", run: entry.run, detail: "is carried out", since: orderedAt(entry) }),
    );
    const failing = transfer
      .failing()
      .filter(({ since }) => since <= now - overdueAfter)
      .map(
        ({ run, kind, since, failures, error }): Finding => ({
          kind: "failing-effect",
          outcome: "reported",
          run,
          detail: `\`${kind}\` failed ${failures} times: ${error}`,
          since,
        }),
      );
    return [...lost, ...failing];
  };
}
