import type { OrderHandle } from "../order-fulfillment/client.ts";
import { euros, workflowIdOf } from "../order-fulfillment/order.ts";
import type { Shop } from "../order-fulfillment/shop.ts";
import type { ResearchHandle } from "../research-agent/client.ts";
import { getProgress } from "../research-agent/workflows.ts";
import { excerpt, recordedAttempts } from "./history.ts";
import { shown } from "./paths.ts";
import { type OrderEvidence, prove } from "./proof.ts";
import { bold, counted, green, red, say, table } from "./screen.ts";

export type Outcome = {
  readonly shop: Shop;
  /** In the order in which the shop took the orders in, and how each workflow ended. */
  readonly orders: ReadonlyArray<{ readonly handle: OrderHandle; readonly end: OrderEvidence["workflow"] }>;
  readonly research: readonly ResearchHandle[];
};

/** Prints the tables and the proof; false if the proof fails. */
export async function report({ shop, orders, research }: Outcome): Promise<boolean> {
  const histories = new Map(await Promise.all(orders.map(async ({ handle }) => [handle.workflowId, await handle.fetchHistory()] as const)));
  const attempts = shop.attempts();
  const evidence = shop.accounts().map((account, index): OrderEvidence => {
    const history = histories.get(workflowIdOf(account.orderId));
    return {
      account,
      workflow: orders[index]?.end ?? "open",
      attempts: attempts.filter(({ orderId }) => orderId === account.orderId),
      recorded: history ? recordedAttempts(history) : new Map(),
    };
  });

  say();
  say(bold("Orders, as the shop's books have them"));
  say();
  const numbers = ["charges", "charged", "refunded", "shipments", "steps", "attempts", "unanswered"];
  say(table(["order", "status", ...numbers, "note"], evidence.map(orderRow), numbers));
  say();
  say(bold("Research"));
  say();
  say(
    table(["run", "state", "draft", "sources", "lost", "retries", "published as"], await Promise.all(research.map(researchRow)), [
      "draft",
      "sources",
      "lost",
      "retries",
    ]),
  );

  const witness = evidence.find(({ attempts }) =>
    attempts.some(({ activity, outcome }) => activity === "chargePayment" && outcome === null),
  );
  const history = witness && histories.get(workflowIdOf(witness.account.orderId));
  if (witness && history) {
    say();
    say(
      bold(
        `From the history of ${workflowIdOf(witness.account.orderId)}: its worker died between the bank's booking and the bank's answer`,
      ),
    );
    say();
    say(table(["event", "time (UTC)", "type", ""], excerpt(history, "chargePayment"), ["event"]));
  }

  const { faults, lines } = prove(evidence, shop.shelf());
  say();
  say(bold("Proof"));
  say();
  for (const line of lines) say(`  ${line}`);
  for (const fault of faults) say(red(`  ${fault}`));
  say(faults.length === 0 ? green("  The proof holds.") : red(`  The proof fails: ${counted(faults.length, "fault")}.`));
  return faults.length === 0;
}

function orderRow({ account, attempts }: OrderEvidence): string[] {
  const { orderId, status, charges, chargedCents, refundedCents, shipments, unanswered, note } = account;
  const money = (cents: number) => (cents === 0 ? "–" : euros(cents));
  const steps = new Set(attempts.map(({ activityId }) => activityId)).size;
  return [
    orderId,
    status,
    String(charges),
    money(chargedCents),
    money(refundedCents),
    ...[shipments, steps, attempts.length, unanswered].map(String),
    note,
  ];
}

async function researchRow(handle: ResearchHandle): Promise<string[]> {
  const { phase, draft, sourcesRead, sourcesLost } = await handle.query(getProgress);
  const retries = [...recordedAttempts(await handle.fetchHistory()).values()].reduce((sum, attempt) => sum + attempt - 1, 0);
  const published = phase === "published" ? shown((await handle.result()).file) : "";
  return [
    handle.workflowId,
    phase,
    String(draft?.revision ?? 0),
    String(sourcesRead),
    String(sourcesLost.length),
    String(retries),
    published,
  ];
}
